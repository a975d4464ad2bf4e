"""Painting posters of films that never were: scenes, colours, titles."""
