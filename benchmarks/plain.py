"""Plain PyTorch trains the study's first network and prints its time. Runs in its own process.

python -m benchmarks.plain IMAGES BATCH

fp32, no compiler, tensors laid out as they come, memory handled as it is. In a process of its own,
because keyart's trainings change how theirs keeps memory. Speaks as benchmarks/keras/train.py does.
"""

import sys

import torch
from torch.nn import functional as F

from benchmarks.measure import Clock
from benchmarks.milestone import network, random_posters
from keyart.training.recipe import load_recipe


def main() -> None:
    """Train an epoch a line."""
    images, batch = int(sys.argv[1]), int(sys.argv[2])
    recipe = load_recipe("milestone-scratch")
    all_pixels, all_truth = random_posters(images, recipe)
    pixels, truth = torch.from_numpy(all_pixels), torch.from_numpy(all_truth).float()
    model = network(recipe)
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
