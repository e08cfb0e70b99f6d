"""rdbound."""
