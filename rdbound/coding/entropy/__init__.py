"""Entropy coding of integers: range coder, ANS stack, frequency tables, integer codes; no model."""
