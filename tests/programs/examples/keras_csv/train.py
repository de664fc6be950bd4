"""Keras with its CSVLogger."""

import argparse
import os

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy as np

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, required=True)
args = parser.parse_args()

model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")])
model.compile(keras.optimizers.SGD(args.lr), "mse")
inputs, targets = np.ones((1, 1)), np.zeros((1, 1))
model.fit(inputs, targets, epochs=3, verbose=0, callbacks=[keras.callbacks.CSVLogger("training.log")])
