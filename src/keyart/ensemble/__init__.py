"""An ensemble: several models, their calibrated scores averaged."""
