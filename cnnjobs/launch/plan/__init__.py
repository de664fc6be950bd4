"""Plans: which runs start, at which cost, with which resources."""
