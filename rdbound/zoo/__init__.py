"""Trained checkpoints, each with its card."""
