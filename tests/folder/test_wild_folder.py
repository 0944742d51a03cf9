"""Published models by the folder: each is ported, or refused for what it is."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from batches import ported


def test_every_published_model_has_the_fate_that_its_row_says(shared: Callable[[str], Path], tmp_path: Path) -> None:
    wild = shared("wild")
    told = ported([wild], tmp_path / "out", "--jobs", "2")
    rows = {row["file"]: row for row in json.loads((wild / "manifest.json").read_text(encoding="utf-8"))}
    found = {str(Path(line["path"]).relative_to(wild)).removesuffix("/model.json"): line for line in told.lines}
    assert found.keys() == rows.keys()
    for name, line in found.items():
        if rows[name].get("custom"):
            assert line["fate"] == "refused" and set(line["error"]["layers"]) <= set(rows[name]["custom"]), name
        elif rows[name].get("weights_only"):
            assert line["fate"] == "refused" or line["config"], name
        else:
            assert line["fate"] in ("ported", "chaotic"), (name, line["error"])
    assert sum(line["fate"] == "chaotic" for line in found.values()) <= 1 and told.code == 2
