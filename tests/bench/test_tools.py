"""The program's own speed: commands that are tiny here, a folder and a sweep that are not run."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

import weight_mapping as wm
from harness.bench import fresh, tools
from harness.bench.speed import Figure


def test_commands_are_timed_round_by_round_and_a_failing_one_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    wait = "import sys, time; assert open(sys.argv[1], 'rb').read(2) == b'PK'; time.sleep(0.01)"
    broken = "import sys; sys.exit('no such luck')"
    monkeypatch.setattr(tools, "COMMANDS", {"help": (wait, "{file}"), "import": ("pass",), "inspect": (broken,)})
    monkeypatch.setattr(tools, "ROUNDS", 2)
    found: list[Figure] = []
    failed: dict[str, str] = {}
    assert len(list(tools._commands(found, failed, dict(os.environ)))) == 3
    named = {one.name: one for one in found}
    assert named["lstm-parity --help"].value and named["import weight_mapping"].value
    assert named["lstm-parity inspect, 1 MB"].value is None
    assert failed == {"inspect": "exit code 1: no such luck"}


def test_a_port_may_take_no_longer_than_importing_torch() -> None:
    spent = {"port": [2.2, 1.9, 2.1], "torch": [2.0, 2.0, 2.0], "load_model": [8.0, 8.0, 8.0]}
    named = {one.name: one for one in tools.command_figures(spent)}
    beside = named["port of 1 MB with its proof, beside importing torch"]
    assert beside.value is not None and beside.low is not None and beside.high is not None
    assert beside.low < 0 < beside.value < beside.high and beside.met
    assert beside.value == pytest.approx(0.1)
    assert named["port --no-proof of 1 MB, against Python and load_model"].value is None


def test_packing_is_set_against_a_plain_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    def call(function: str, *_: Any) -> Any:
        assert function == "harness.bench.tools:time_packing"
        return tools.time_packing(units=8, inputs=5, rounds=2)

    monkeypatch.setattr(fresh, "call", call)
    found: list[Figure] = []
    assert len(list(tools._packing(found, {}, {}))) == 1 + tools.PROCESSES
    assert [one.unit for one in found] == ["copies"] * 3 and all(one.value for one in found)


def test_the_model_that_is_timed_holds_a_megabyte_that_torch_cannot_state(tmp_path: Path) -> None:
    wm.save(tools.model(0), tmp_path / "model.keras", keras=3)
    assert 0.9e6 < (tmp_path / "model.keras").stat().st_size < 1.1e6
    cell = wm.load(tmp_path / "model.keras").spec.layers["lstm"].cells[0]  # type: ignore[union-attr]
    assert cell.recurrent_activation.name == "hard_sigmoid"
    assert (tools.model(1).arrays()["lstm/0/kernel"] != tools.model(0).arrays()["lstm/0/kernel"]).any()


def test_what_a_folder_took_is_read_off_its_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "FILES", 3)
    asked: list[list[str]] = []

    def timed(name: str, argv: list[str], _environment: Any, spent: dict[str, list[float]], _failed: Any) -> bool:
        asked.append(argv)
        output = Path(argv[argv.index("-o") + 1])
        output.mkdir()
        lines = [{"fate": "ported", "peak_mib": 200.0}] * len(list(Path(argv[argv.index("port") + 1]).iterdir()))
        (output / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        spent[name].append(0.5)
        return True

    monkeypatch.setattr(tools, "_timed", timed)
    found: list[Figure] = []
    assert len(list(tools._folders(found, {}, {}))) == 3
    assert [one.value for one in found] == pytest.approx([6.0, 1.0, 3.0])
    assert [argv[-1] for argv in asked] == ["1", "2"] and asked[0][0] == sys.executable


def test_a_sweep_is_read_off_its_results(monkeypatch: pytest.MonkeyPatch) -> None:
    def timed(_name: str, argv: list[str], *_: Any) -> bool:
        told = {"sweep": {"asked": 200, "per second and core": 12.5}}
        (Path(argv[-1]) / "results.json").write_text(json.dumps(told), encoding="utf-8")
        return True

    monkeypatch.setattr(tools, "_timed", timed)
    found: list[Figure] = []
    assert len(list(tools._sweep(found, {}, {}))) == 2
    assert found[0].value == 12.5 and found[0].met is None
