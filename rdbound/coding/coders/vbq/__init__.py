"""Variational Bayesian quantization: code points, their tables and the coder."""
