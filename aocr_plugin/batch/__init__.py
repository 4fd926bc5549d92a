"""Reading of millions of images into Parquet or JSON Lines, with Ray Data."""
