"""Training, validation, test and generalisation sets without leaks (paper, section 5)."""
