"""A dataset as web pages: search, players, comparisons, statistics, errors of models."""
