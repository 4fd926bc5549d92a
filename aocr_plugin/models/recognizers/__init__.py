"""Whole recognisers."""
