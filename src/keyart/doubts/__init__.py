"""Doubtful genres of a catalog: finding them."""
