"""From a page to its text: detection, crops, recognition, reading order. Needs no PyTorch."""
