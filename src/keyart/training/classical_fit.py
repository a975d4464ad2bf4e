"""Random forest and QDA for each genre: fitted by scikit-learn, then copied into tensors."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
from sklearn.ensemble import RandomForestClassifier
from sklearn.tree import DecisionTreeClassifier
from torch import Tensor

from keyart.errors import TrainingError
from keyart.genres import Vocabulary
from keyart.models.classical import ClassicalHead, ForestHead, QdaHead
from keyart.training.classical_recipe import ClassicalRecipe, ForestRecipe

# A genre that fewer films than this have, or lack, is not fitted: every film scores its rate.
FEWEST_FILMS = 10
# Components with less than this fraction of the first one's variance are noise. Whitening would
# amplify them.
_LEAST_VARIANCE = 1e-7

Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Fitted:
    """A fitted head. notes: which genres were not fitted as asked, and why."""

    head: ClassicalHead
    notes: tuple[str, ...]


def fit_head(
    recipe: ClassicalRecipe, numbers: Floats, truth: Flags, vocabulary: Vocabulary
) -> Fitted:
    """Fit a classifier for each genre to training films.

    numbers: (films, numbers), as the model computes them. truth: (films, genres).
    Raises TrainingError if no genre has enough films.
    """
    having = truth.sum(0)
    fits = np.minimum(having, len(truth) - having) >= FEWEST_FILMS
    if not fits.any():
        most = int(np.minimum(having, len(truth) - having).max(initial=0))
        raise TrainingError(
            f"{recipe.classifier.kind} needs {FEWEST_FILMS} training films with a genre and "
            f"{FEWEST_FILMS} without it; of these {len(truth):,} no genre has more than {most}: "
            "build a larger catalog"
        )
    notes = [
        f"{name}: not fitted: {count:,} of {len(truth):,} training films have it; every film "
        "scores its rate"
        for name, count, fit in zip(vocabulary.names, having, fits, strict=True)
        if not fit
    ]
    if isinstance(recipe, ForestRecipe):
        return Fitted(_forests(recipe, numbers, truth, fits), tuple(notes))
    qda = recipe.classifier
    head, dimensions = _discriminants(numbers, truth, fits, qda.components, qda.reg_param)
    most = dimensions.max()
    poor = [genre for genre in np.flatnonzero(fits) if dimensions[genre] < most]
    if poor:
        names = ", ".join(vocabulary.names[genre] for genre in poor)
        low, high = (int(end(dimensions[poor])) for end in (np.min, np.max))
        used = str(low) if low == high else f"{low} to {high}"
        notes.append(
            f"{names}: QDA takes {used} of {most} components, as many as their training films allow"
        )
    return Fitted(head, tuple(notes))


def _discriminants(
    numbers: Floats, truth: Flags, fits: Flags, components: int, regularisation: float
) -> tuple[QdaHead, npt.NDArray[np.int64]]:
    """QDA of the genres of `fits`, and how many components each one uses."""
    roots = np.sign(numbers) * np.sqrt(np.abs(numbers.astype(np.float64)))
    mean, spread = roots.mean(0), roots.std(0)
    spread[spread == 0] = 1
    count = min(components, len(roots) - 1, roots.shape[1])
    analysis = PCA(count, svd_solver="full").fit((roots - mean) / spread)
    variance = analysis.explained_variance_
    kept = int((variance > _LEAST_VARIANCE * variance[0]).sum())
    matrix = (analysis.components_[:kept] / spread).T / np.sqrt(variance[:kept])
    z = (roots - mean) @ matrix

    genres = truth.shape[1]
    quadratic = np.zeros((genres, kept, kept))
    linear = np.zeros((genres, kept))
    rate = (truth.sum(0) + 1) / (len(truth) + 2)
    constant = np.log(rate / (1 - rate))
    dimensions = np.zeros(genres, np.int64)
    for genre in np.flatnonzero(fits):
        smaller = int(min(truth[:, genre].sum(), (~truth[:, genre]).sum()))
        # A covariance of n films has n - 1 directions.
        used = dimensions[genre] = min(kept, smaller - 2)
        analyst = QuadraticDiscriminantAnalysis(reg_param=regularisation)
        analyst.fit(z[:, :used], truth[:, genre])
        sides = []
        for side in (0, 1):
            turned, scale = analyst.rotations_[side], analyst.scalings_[side]
            precision = (turned / scale) @ turned.T
            middle = analyst.means_[side]
            sides.append(
                (
                    -precision / 2,
                    precision @ middle,
                    np.log(analyst.priors_[side])
                    - (middle @ precision @ middle + np.log(scale).sum()) / 2,
                )
            )
        quadratic[genre, :used, :used] = sides[1][0] - sides[0][0]
        linear[genre, :used] = sides[1][1] - sides[0][1]
        constant[genre] = sides[1][2] - sides[0][2]
    return QdaHead(*map(_tensor, (mean, matrix, quadratic, linear, constant))), dimensions


def _forests(recipe: ForestRecipe, numbers: Floats, truth: Flags, fits: Flags) -> ForestHead:
    """A random forest for each genre of `fits`."""
    choice = recipe.classifier
    rates = (truth.sum(0) + 1) / (len(truth) + 2)
    offset = np.where(fits & choice.balance, np.log(rates / (1 - rates)), 0.0)
    grown: list[_Tree] = []
    roots: list[list[int]] = []
    nodes = 0
    for genre in range(truth.shape[1]):
        if fits[genre]:
            forest = RandomForestClassifier(
                choice.trees,
                min_samples_leaf=choice.min_samples_leaf,
                class_weight="balanced" if choice.balance else None,
                random_state=choice.seed,
                n_jobs=-1,  # threads; the trees do not depend on their number
            ).fit(numbers, truth[:, genre])
            trees = [_tree(estimator) for estimator in forest.estimators_]
        else:
            trees = [_leaf(rates[genre])]
        starts = []
        for tree in trees:
            starts.append(nodes)
            tree.right += nodes
            nodes += len(tree.right)
        grown += trees
        roots.append(starts * (choice.trees // len(trees)))
    return ForestHead(
        torch.from_numpy(np.concatenate([tree.feature for tree in grown]).astype(np.int16)),
        torch.from_numpy(np.concatenate([tree.threshold for tree in grown])),
        torch.from_numpy(np.concatenate([tree.right for tree in grown]).astype(np.int32)),
        _tensor(np.concatenate([tree.share for tree in grown])),
        torch.from_numpy(np.array(roots, np.int32)),
        _tensor(offset),
    )


@dataclass
class _Tree:
    """A tree as in ForestHead, with nodes numbered from 0."""

    feature: npt.NDArray[np.int64]
    threshold: npt.NDArray[np.float32]
    right: npt.NDArray[np.int64]
    share: npt.NDArray[np.float64]


def _tree(estimator: DecisionTreeClassifier) -> _Tree:
    tree = estimator.tree_
    leaf = tree.children_left < 0
    nodes = np.arange(tree.node_count)
    # scikit-learn numbers the nodes depth first: a left child comes right after its parent.
    assert (leaf | (tree.children_left == nodes + 1)).all()
    threshold = tree.threshold.astype(np.float32)
    # Rounded down: every fp32 number stays on the side where the fp64 threshold puts it.
    rounded_up = threshold > tree.threshold
    threshold[rounded_up] = np.nextafter(threshold[rounded_up], np.float32(-np.inf))
    threshold[leaf] = -np.inf
    return _Tree(
        np.where(leaf, 0, tree.feature),
        threshold,
        np.where(leaf, nodes, tree.children_right),
        tree.value[:, 0, estimator.classes_.tolist().index(True)],
    )


def _leaf(share: float) -> _Tree:
    """A tree that is one leaf."""
    zero = np.zeros(1, np.int64)
    return _Tree(zero, np.full(1, -np.inf, np.float32), zero.copy(), np.full(1, share))


def _tensor(values: npt.NDArray[np.float64]) -> Tensor:
    return torch.from_numpy(values.astype(np.float32))
