"""Write the dataset for others to read."""
