"""Data sets on disk: annotation files, TFRecords, LMDB, JSON Lines. Needs no PyTorch."""
