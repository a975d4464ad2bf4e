"""A search for a better recipe."""
