"""Painted posters, and the whole way from a table to a report on them."""
