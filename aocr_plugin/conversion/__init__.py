"""From the original's weights to ours."""
