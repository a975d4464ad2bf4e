"""The HTTP service: a page for people and an API for programs, with one predictor."""
