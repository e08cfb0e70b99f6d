"""What photographs need: files, sets by name, training crops."""
