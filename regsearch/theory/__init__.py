"""What is proved about the methods: closed forms and bounds that runs are compared with."""
