"""Trained checkpoints, each with its card."""

__all__ = ["BOUND", "CODEC"]

BOUND = "res-context-4-bound"
CODEC = "res-context-4-codec"
"""The pair that is meant where nobody names another: the tightest of those shipped."""
