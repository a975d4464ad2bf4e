"""How good scores are: metrics with intervals, calibration, thresholds, constant guesses."""
