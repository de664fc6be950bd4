"""Numbers beside the results: intervals and tests (significance), importance of parameters, pairs, overfitting."""
