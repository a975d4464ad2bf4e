"""Plain PyTorch trains the study's first network and tells its time. Runs in a process of its own.

python -m benchmarks.plain IMAGES BATCH

fp32, no compiler, tensors laid out as they come, memory handled as it is. In a process of its own,
because keyart's trainings change how theirs keeps memory. Speaks as benchmarks/keras/train.py does.
"""

import sys

import numpy as np
import torch
from torch.nn import functional as F

from benchmarks.measure import Clock
from keyart.models.classifier import build_classifier
from keyart.training.recipe import load_recipe

GENRES = 19


def main() -> None:
    """Train an epoch a line."""
    images, batch = int(sys.argv[1]), int(sys.argv[2])
    recipe = load_recipe("milestone-scratch")
    random = np.random.default_rng(0)
    size = (images, recipe.height, recipe.width, 3)
    pixels = torch.from_numpy(random.integers(0, 256, size, dtype=np.uint8))
    truth = torch.from_numpy(random.random((images, GENRES)) < 0.1).float()
    torch.manual_seed(0)
    model = build_classifier(recipe.backbone, recipe.spec, GENRES, recipe.dropout)
    model.to(memory_format=torch.contiguous_format)
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9, nesterov=True)

    def epoch() -> float:
        with Clock() as clock:
            for start in range(0, images, batch):
                logits = model(pixels[start : start + batch])
                wanted = truth[start : start + batch]
                loss = F.binary_cross_entropy_with_logits(logits, wanted)
                optimizer.zero_grad()
                torch.autograd.backward(loss)
                optimizer.step()
        return clock.seconds

    epoch()
    print("ready", flush=True)
    for _ in sys.stdin:
        print(epoch(), flush=True)


if __name__ == "__main__":
    main()
