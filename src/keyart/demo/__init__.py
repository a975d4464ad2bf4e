"""Painted posters, and a demo of everything from a table of films to predictions."""
