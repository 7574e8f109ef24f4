"""The dataset in the official layout: built, read, verified, counted."""
