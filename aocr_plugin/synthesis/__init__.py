"""Labelled images, drawn. Needs no PyTorch."""
