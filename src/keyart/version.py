"""The version of keyart, in a module that imports nothing, so that every room can name it."""

__version__ = "0.1.0"
