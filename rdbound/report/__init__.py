"""Figures and reports: pure functions of tables."""
