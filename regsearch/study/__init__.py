"""A study: its files, its runs, the packs they are trained in, and the driver that records."""
