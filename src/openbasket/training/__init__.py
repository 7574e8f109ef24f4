"""Training and prediction. Importing this package does not import torch."""
