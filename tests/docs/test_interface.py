"""The interface's page shows every public name: autodoc asks a module for what it has."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "interface.md"
MODULES = re.findall(r"automodule:: (\S+)", PAGE.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", MODULES)
def test_a_module_tells_all_that_it_makes_public(name: str) -> None:
    module = importlib.import_module(name)
    assert set(getattr(module, "__all__", ())) <= set(dir(module))
    assert "weight_mapping" in MODULES
