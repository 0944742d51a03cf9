"""The examples of the pages run as doctests, from the repository's root; `folder` is theirs to write into."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

for _name, _value in {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}.items():
    os.environ.setdefault(_name, _value)


@pytest.fixture(autouse=True)
def _place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, doctest_namespace: dict[str, object]) -> None:
    monkeypatch.chdir(Path(__file__).resolve().parents[1])
    doctest_namespace["folder"] = tmp_path
