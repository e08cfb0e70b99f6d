"""Training over weights and refinement over variational parameters: two minimizations of J."""
