"""How good scores are, with intervals: figures, calibration, thresholds, constant guesses."""
