"""One small folder of every kind of file, and a run of the command on it. Lets these tests import the modules beside
them, which pytest's importlib mode does not."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import folder_models
from batches import Ran, ported


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two files of every kind."""
    place = tmp_path_factory.mktemp("models")
    folder_models.make(place, 2 * len(folder_models.MAKERS))
    return place


@pytest.fixture(scope="session")
def ran(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """The folder ported by one process."""
    return ported([folder], tmp_path_factory.mktemp("ported") / "out", "--jobs", "1")
