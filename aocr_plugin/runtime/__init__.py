"""Reading images with an exported network: NumPy and a runtime, no PyTorch, no MMOCR."""
