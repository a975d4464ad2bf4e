"""Keras trains the study's first network and prints its time. Runs in its own environment.

KERAS_BACKEND=tensorflow|jax|torch python train.py IMAGES BATCH

Says "ready" once a first, uncounted epoch has compiled everything; then answers every line on its
standard input with the seconds that one more epoch of IMAGES took.
"""

import os
import sys
import time

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np
from keras import layers


def network(genres: int = 19) -> keras.Sequential:
    """The study's network: 22,866,707 parameters."""
    stack = [layers.Input((128, 128, 3)), layers.Dropout(0.2)]
    for kernel, filters in ((5, 64), (3, 128)):
        stack += [layers.Conv2D(filters, kernel, activation="relu") for _ in range(3)]
        stack += [layers.MaxPooling2D(2), layers.Dropout(0.2)]
    stack.append(layers.Flatten())
    for _ in range(2):
        stack += [layers.Dense(256, activation="relu"), layers.Dropout(0.2)]
    stack += [layers.Dense(256, activation="relu"), layers.Dense(genres, activation="sigmoid")]
    return keras.Sequential(stack)


def main() -> None:
    """Train an epoch a line."""
    images, batch = int(sys.argv[1]), int(sys.argv[2])
    random = np.random.default_rng(0)
    x = random.random((images, 128, 128, 3), dtype=np.float32)
    y = (random.random((images, 19)) < 0.1).astype(np.float32)
    model = network()
    assert model.count_params() == 22_866_707
    model.compile(
        keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True), loss="binary_crossentropy"
    )
    model.fit(x[:batch], y[:batch], batch_size=batch, verbose=0)
    print("ready", flush=True)
    for _ in sys.stdin:
        started = time.perf_counter()
        model.fit(x, y, batch_size=batch, verbose=0)
        print(time.perf_counter() - started, flush=True)


if __name__ == "__main__":
    main()
