"""Bits-back coding: latents drawn from side information."""
