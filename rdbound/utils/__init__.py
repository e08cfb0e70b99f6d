"""Helpers that know nothing of compression: registry, compilation, files written atomically."""
