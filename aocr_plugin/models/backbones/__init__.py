"""From image to feature columns."""
