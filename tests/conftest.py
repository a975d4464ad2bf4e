"""Fixtures that several test modules use."""

from pathlib import Path

import pytest

from tests.tiny import tiny_bundle


@pytest.fixture
def tiny_model(tmp_path: Path) -> Path:
    """The tiny model's bundle, which sees little but mean colours."""
    return tiny_bundle(tmp_path / "bundle").path
