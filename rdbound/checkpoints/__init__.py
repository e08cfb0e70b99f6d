"""Save, load, check and import trained models."""
