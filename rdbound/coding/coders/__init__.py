"""Coders: each conveys the latent of one channel in bytes."""
