"""keyart predicts a film's genres from its poster, and says how far to trust the answer."""

__version__ = "0.1.0"
