"""The user's cache: what can be made or fetched again."""

import os
import sys
from pathlib import Path


def cache_folder(*names: str) -> Path | None:
    """A folder of keyart's in the user's cache; it may not exist yet. None without a home.

    KEYART_CACHE names another folder for all of it.
    """
    if own := os.environ.get("KEYART_CACHE"):
        return Path(own).joinpath(*names)
    try:
        if sys.platform == "win32":
            base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
        else:
            base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    except RuntimeError:  # a user without a home
        return None
    return Path(base).joinpath("keyart", *names)
