"""One file per architecture; each builder maps images (N, C, H, W) to logits (N, classes)."""
