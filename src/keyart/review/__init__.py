"""Corrections that people make to predicted genres."""
