"""What the study published, figure by figure, so that a row can stand beside it.

Milestone 4, "Deep Learning", movie posters, April 18, 2017: a course report and two notebooks.
Where a text leaves a threshold out it is 0.5: its Hamming loss and label accuracy sum to 1.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

SOURCE = "Milestone 4: Deep Learning, movie posters, course report and notebooks, April 18, 2017"

# As `StudyScores` names them: what each is called, and whether less is better.
FIGURES: Mapping[str, tuple[str, bool]] = {
    "top_class": ("Top class", False),
    "label_accuracy": ("Label accuracy", False),
    "null": ("... of predicting nothing", False),
    "best_label_accuracy": ("Label accuracy at the best threshold", False),
    "precision": ("Precision by film", False),
    "recall": ("Recall by film", False),
    "hamming_loss": ("Hamming loss", True),
    "hamming_loss_low": ("Hamming loss at 0.33", True),
    "loss": ("Loss", True),
}


@dataclass(frozen=True)
class Published:
    """A column of the study's results. short: which of its texts. figures: as in `FIGURES`."""

    short: str
    where: str
    data: str
    figures: Mapping[str, float]


SCRATCH_NOTEBOOK = Published(
    "notebook",
    "from scratch, notebook",
    "77,435 / 25,812 / 25,812 images, copied before they were split",
    {
        "label_accuracy": 0.9565,
        "best_label_accuracy": 0.9585,
        "null": 0.8482,
        "precision": 0.8017,
        "recall": 0.7413,
        "top_class": 0.8403,
        "hamming_loss_low": 0.0478,
        "loss": 0.1555,
    },
)
SCRATCH_REPORT = Published(
    "report",
    "from scratch, report, “less 7%” for the leak",
    "the notebook's",
    {
        "label_accuracy": 0.89,
        "precision": 0.69,
        "recall": 0.68,
        "top_class": 0.78,
        "hamming_loss": 0.11,
    },
)
VGG16_NOTEBOOK = Published(
    "notebook",
    "VGG16, notebook",
    "5,045 / 800 / 800 films and copies",
    {
        "label_accuracy": 0.8687,
        "best_label_accuracy": 0.8779,
        "null": 0.8724,
        "precision": 0.301,
        "recall": 0.179,
        "top_class": 0.5375,
        "hamming_loss_low": 0.1549,
        "loss": 0.3577,
    },
)
VGG16_REPORT = Published(
    "report",
    "VGG16, report",
    "some 36,000 films",
    {
        "label_accuracy": 0.88,
        "precision": 0.45,
        "recall": 0.27,
        "top_class": 0.56,
        "hamming_loss": 0.12,
    },
)

# The rows that the study has figures of; of its random forest and QDA, and of the guess of each
# genre's rate, it gives none.
BESIDE: Mapping[str, Sequence[Published]] = {
    "scratch-leak": (SCRATCH_NOTEBOOK,),
    "scratch": (SCRATCH_REPORT,),
    "vgg16": (VGG16_NOTEBOOK, VGG16_REPORT),
}
