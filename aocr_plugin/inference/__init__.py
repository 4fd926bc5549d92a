"""Reading images with a trained checkpoint."""
