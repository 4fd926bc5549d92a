"""The command ``aocr``, as users of the original know it."""
