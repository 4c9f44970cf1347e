"""Training of packs: K runs as one tensor program, from initial weights to curves."""
