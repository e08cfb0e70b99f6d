"""Relative entropy coding: the coder, and the rules by which it chooses samples."""
