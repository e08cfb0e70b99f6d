"""Sections of reports: each a pure function of tables."""
