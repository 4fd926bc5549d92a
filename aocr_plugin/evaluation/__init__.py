"""Measures of what was read."""
