"""Curves, BD-rate, gaps and intervals: pure functions of RD tables."""
