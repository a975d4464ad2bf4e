"""What a model decides with, as the start of another one."""

from keyart.decisions import Decisions
from keyart.evaluation.decide import Decision


def decision_of(decisions: Decisions) -> Decision:
    """The decision for the F1 that these are."""
    return Decision(
        decisions.calibration, decisions.thresholds, (), "f1", decisions.precision_thresholds
    )
