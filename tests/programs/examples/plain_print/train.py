"""Nothing but print."""

import sys

lr = float(sys.argv[1].partition("=")[2])
weight = 1.0
for epoch in range(3):
    print(f"Epoch {epoch + 1}/3 - loss: {weight**2:.4f} - lr: {lr}")
    weight -= lr * 2 * weight
