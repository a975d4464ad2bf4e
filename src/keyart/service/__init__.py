"""The HTTP service: a page for people, an API for programs, one predictor behind both."""
