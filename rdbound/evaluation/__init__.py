"""Evaluation: examples × methods → rows of the RD table."""
