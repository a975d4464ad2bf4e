"""Sources of batches: pixels that are augmented each time, or cached features."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from keyart.images.decode import Pixels
from keyart.models.classifier import GenreClassifier
from keyart.models.heads import GenreHead, Head
from keyart.training.augment import augment
from keyart.training.features import Features
from keyart.training.images import Images
from keyart.training.machine import Machine
from keyart.training.recipe import Recipe


class Source(Protocol):
    """Where the loop gets its batches."""

    def changed(
        self, images: Images, draws: torch.Generator, places: npt.NDArray[np.int64]
    ) -> Tensor:
        """The images at these places of a batch to train on, each augmented by its own draw."""
        ...

    def plain(self, images: Images) -> Tensor:
        """A batch to score, without augmentation."""
        ...


class PixelSource:
    """Prepared posters, with the recipe's augmentation.

    pixels: (films, height, width, 3) of the whole catalog. They are copied to the GPU at once if
    they take less than half of its free memory: copying batches takes longer than the network.
    """

    def __init__(self, pixels: Pixels, recipe: Recipe, machine: Machine) -> None:
        self._pixels, self._recipe, self._device = pixels, recipe, machine.device
        self._resident: Tensor | None = None
        if machine.device.type == "cuda" and pixels.nbytes < torch.cuda.mem_get_info()[0] / 2:
            self._resident = torch.from_numpy(np.asarray(pixels)).to(machine.device)

    def changed(
        self, images: Images, draws: torch.Generator, places: npt.NDArray[np.int64]
    ) -> Tensor:
        """Returns (places, height, width, 3) float in [0, 255]."""
        recipe = self._recipe
        return augment(
            self.plain(images.take(places)),
            draws,
            batch=len(images),
            places=places,
            flip=recipe.data.flip,
            zoom=recipe.data.zoom,
            shift=recipe.data.shift,
            crop=recipe.data.crop,
            colour=recipe.data.colour,
            erase=recipe.data.erase,
            randaugment=recipe.data.randaugment,
        )

    def plain(self, images: Images) -> Tensor:
        """Returns (images, height, width, 3) uint8."""
        if self._resident is not None:
            pixels = self._resident[torch.from_numpy(images.rows).to(self._device)]
        else:
            pixels = torch.from_numpy(self._pixels[images.rows]).to(self._device)
        if not images.flipped.any():
            return pixels
        flipped = torch.from_numpy(images.flipped).to(self._device)
        return torch.where(flipped[:, None, None, None], pixels.flip(2), pixels)


class FeatureSource:
    """A frozen backbone's cached features; one view is drawn for each image.

    views: for each view (films, features); odd views are of flipped posters. rows: films to scale
    the features by, to mean 0 and standard deviation 1, from which a linear head learns faster;
    None to leave them. `fold` returns the head for features without scaling.
    """

    def __init__(
        self,
        views: Sequence[Features],
        recipe: Recipe,
        machine: Machine,
        rows: npt.NDArray[np.int64] | None,
    ) -> None:
        self._views, self._flip, self._device = views, recipe.data.flip, machine.device
        self._scale: tuple[Tensor, Tensor] | None = None
        if rows is not None:
            known = views[0][rows].astype(np.float32)
            mean, std = known.mean(0), known.std(0)
            std[std < 1e-6] = 1.0  # a constant feature
            self._scale = (
                torch.from_numpy(mean).to(machine.device),
                torch.from_numpy(std).to(machine.device),
            )

    def changed(
        self, images: Images, draws: torch.Generator, places: npt.NDArray[np.int64]
    ) -> Tensor:
        """Returns (places, numbers)."""
        chosen = torch.randint(len(self._views), (len(images),), generator=draws).numpy()
        if not self._flip:
            chosen -= chosen % 2
        mirrored = np.minimum(chosen ^ images.flipped, len(self._views) - 1)
        return self._of(images.take(places), mirrored.astype(np.int64)[places])

    def plain(self, images: Images) -> Tensor:
        """Returns (images, numbers)."""
        return self._of(images, images.flipped.astype(np.int64))

    def fold(self, head: GenreHead) -> dict[str, Tensor]:
        """The weight and bias with which `head` gives the same logits for unscaled features."""
        weight, bias = head.linear.weight.detach(), head.linear.bias.detach()
        if self._scale is not None:
            mean, std = self._scale
            weight = weight / std
            bias = bias - weight @ mean
        return {"linear.weight": weight, "linear.bias": bias}

    def _of(self, images: Images, views: npt.NDArray[np.int64]) -> Tensor:
        out = np.empty((len(images), self._views[0].shape[1]), np.float16)
        for view in np.unique(views):
            places = np.flatnonzero(views == view)
            out[places] = self._views[view][images.rows[places]]
        batch = torch.from_numpy(out).to(self._device).float()
        if self._scale is not None:
            mean, std = self._scale
            batch.sub_(mean).div_(std)
        return batch


class HeadOnly(torch.nn.Module):
    """The head of a classifier, for training on cached features."""

    def __init__(self, head: Head) -> None:
        super().__init__()
        self.head = head

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """features: (films, numbers). Returns logits (films, genres), and the features."""
        return self.head.decide(features), features


class Whole(torch.nn.Module):
    """A whole classifier, for training on pixels.

    teacher_width: number of the teacher's features, if the student's `width` features are compared
    with them; a linear layer projects to them. Otherwise None.
    """

    def __init__(self, classifier: GenreClassifier, teacher_width: int | None, width: int) -> None:
        super().__init__()
        self.classifier = classifier
        self.to_teacher = torch.nn.Linear(width, teacher_width) if teacher_width else None

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """pixels: (films, height, width, 3). Returns logits (films, genres), and features."""
        pooled = self.classifier.pooled(pixels)
        logits = self.classifier.head.decide(pooled)
        return logits, self.to_teacher(pooled) if self.to_teacher is not None else pooled
