"""From feature columns to symbols."""
