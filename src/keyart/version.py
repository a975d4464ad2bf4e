"""The version of keyart, in a module that imports nothing, so that every module can import it."""

__version__ = "0.1.0"
