"""From probabilities to texts and scores."""
