"""Checkpoints: file format, storage of weights, checks of a model, import of CompressAI's."""
