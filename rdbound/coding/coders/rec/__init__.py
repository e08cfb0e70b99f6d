"""Relative entropy coding: the coder and its ways of choosing a sample."""
