"""Cells of a sweep in several processes or on a cluster."""
