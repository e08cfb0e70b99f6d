"""Leaf numerics: Gaussian divergences, bin probabilities, rounding and its relaxations."""
