"""Recurrent layers over feature columns."""
