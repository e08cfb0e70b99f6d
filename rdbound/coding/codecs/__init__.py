"""Codecs: a whole datum to one file and back."""
