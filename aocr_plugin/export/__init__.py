"""From a checkpoint to forms that other programs run."""
