"""The network that figures are about. Nouns: Subject, layer, predictions."""
