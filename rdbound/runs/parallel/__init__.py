"""Run an evaluation or the cells of a sweep by several processes or on a cluster."""
