"""Invented leagues, and the broadcasts of any league's games."""
