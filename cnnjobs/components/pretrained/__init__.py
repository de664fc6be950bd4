"""Networks and weights of other libraries: catalogues, and the places of weights files."""
