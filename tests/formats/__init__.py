"""Made-up games, and writers that put them into the files of every provider."""
