"""One task in this process: each fate where it arises."""

from __future__ import annotations

import inspect
import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import pytest
from numpy.typing import NDArray

from harness.folder import work
from harness.folder.find import Model, find, is_one_model
from harness.folder.line import Line
from harness.folder.plan import plan
from harness.folder.task import Task
from harness.porting.request import Request
from weight_mapping.errors import PortingError
from weight_mapping.files.finding import Found
from weight_mapping.weights import Portable

GOLDEN = Path(__file__).parents[1] / "golden"
UNPROVED = Request(trusted=True, proof=False)


def planned(place: Path, request: Request = UNPROVED, config: Path | None = None) -> list[Task | Line]:
    models = list(find([place], place / "out", print))
    return list(plan(models, place / "out", request, config=config, timeout=9))


def task(place: Path, request: Request = UNPROVED, config: Path | None = None) -> Task:
    (one,) = planned(place, request, config)
    assert isinstance(one, Task)
    return one


@pytest.fixture
def lstm(tmp_path: Path) -> Path:
    shutil.copyfile(GOLDEN / "k2.2.4_tensorflow_lstm2.h5", tmp_path / "model.h5")
    return tmp_path


def test_a_port_whose_proof_fails_is_a_mismatch(lstm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from harness.backends import ported

    real = ported.outputs

    def wrong(portable: Portable, inputs: Sequence[NDArray[Any]], dtype: str) -> list[NDArray[Any]]:
        return [y + 1e-3 for y in real(portable, inputs, dtype)]

    right = work.port(task(lstm, Request(trusted=True)), lstm / "right")
    monkeypatch.setattr(ported, "outputs", wrong)
    line = work.port(task(lstm, Request(trusted=True)), lstm / "part")
    assert (right.fate, right.verdict, line.fate, line.verdict) == ("ported", "holds", "mismatch", "fails")
    assert json.loads((lstm / "part" / "proof.json").read_text())["verdict"] == "fails"


def test_a_file_that_changed_since_it_was_found_is_not_ported(lstm: Path) -> None:
    one = task(lstm)
    with (lstm / "model.h5").open("ab") as file:
        file.write(b"\0")
    line = work.port(one, lstm / "part")
    assert line.fate == "damaged" and line.error and "no longer the one" in line.error["what"]
    assert [file.name for file in (lstm / "part").iterdir()] == ["report.html"]


def test_a_fault_of_our_own_is_a_crash_that_says_what(lstm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise KeyError("nonsense")

    monkeypatch.setattr(work, "port_file", broken)
    line = work.port(task(lstm), lstm / "part")
    assert line.fate == "crashed" and line.error and line.error["what"] == "KeyError: 'nonsense'"


def test_the_page_of_a_refusal_says_so(lstm: Path) -> None:
    with h5py.File(lstm / "model.h5", "r+") as file:
        file.attrs["model_config"] = file.attrs["model_config"].replace('"LSTM"', '"TheirLSTM"')
    line = work.port(task(lstm), lstm / "part")
    page = (lstm / "part" / "report.html").read_text()
    assert line.fate == "refused" and "Not ported: refused." in page and "TheirLSTM" in page and "ported;" not in page


def configured(place: Path, units: int) -> None:
    """Weights of an LSTM with 5 units, and the only JSON beside them."""
    shutil.copyfile(GOLDEN / "k2.2.4_tensorflow_lstm2_w.h5", place / "weights.h5")
    with h5py.File(GOLDEN / "k2.2.4_tensorflow_lstm2.h5") as file:
        config = json.loads(file.attrs["model_config"])
    layers = config["config"]["layers"] if isinstance(config["config"], dict) else config["config"]
    layers[0]["config"]["units"] += units
    (place / "architecture.json").write_text(json.dumps(config))


def test_a_configuration_beside_weights_counts_only_where_it_fits(tmp_path: Path) -> None:
    configured(tmp_path, 0)
    fitting = work.port(task(tmp_path), tmp_path / "part")
    assert fitting.fate == "unproved" and fitting.config and fitting.config.endswith("architecture.json")
    assert fitting.sha256 != Found(path=tmp_path / "weights.h5").sha256(), "the configuration is a part of it"
    (tmp_path / "architecture.json").rename(elsewhere := tmp_path.with_name(f"{tmp_path.name}.json"))
    named = work.port(task(tmp_path, config=elsewhere), tmp_path / "named")
    assert named.fate == "unproved" and named.config == str(elsewhere)
    configured(tmp_path, 1)
    other = work.port(task(tmp_path), tmp_path / "other")
    assert other.fate == "refused" and other.config is None and other.error
    assert "which is another model's" in other.error["found"] and "--config" in other.error["way_out"]


def test_with_layers_only_the_reason_of_the_refusal_stays(tmp_path: Path) -> None:
    configured(tmp_path, 1)
    line = work.port(task(tmp_path, replace(UNPROVED, layers_only=True)), tmp_path / "part")
    assert line.fate == "unproved" and line.error and line.error["what"] == "weights without a configuration"


def test_a_file_that_can_t_be_read_has_a_line_and_no_task(tmp_path: Path) -> None:
    gone = Model(found=Found(path=tmp_path / "gone.h5"))
    (line,) = plan([gone], tmp_path / "out", Request(), config=None, timeout=9)
    assert isinstance(line, Line) and line.sha256 is None and line.fate == "refused" and line.error
    assert "no such file" in line.error["what"] and line.folder == ""


def test_patterns_files_and_folders_name_each_model_once(lstm: Path) -> None:
    (lstm / "deep" / "deeper").mkdir(parents=True)
    shutil.copyfile(lstm / "model.h5", lstm / "deep" / "deeper" / "other.h5")
    shutil.copyfile(lstm / "model.h5", lstm / "out.h5")
    (lstm / "out").mkdir()
    shutil.copyfile(lstm / "model.h5", lstm / "out" / "old.h5")
    (lstm / "notes.txt").write_text("nothing")

    def found(*names: str) -> list[str]:
        models = find([lstm / name for name in names], lstm / "out", print)
        return [str(one.found.path.relative_to(lstm)) for one in models]

    assert found(".") == ["model.h5", "out.h5", "deep/deeper/other.h5"]
    assert found("**/*") == ["deep/deeper/other.h5", "model.h5", "out.h5"]
    assert found("model.h5", "*.h5", "deep") == ["model.h5", "out.h5", "deep/deeper/other.h5"]
    assert found("notes.txt") == ["notes.txt"], "a file that is named is taken whatever it is"
    with pytest.raises(PortingError, match="no such file or folder"):
        found("model.h5", "nowhere.h5")


def test_one_model_by_itself_is_no_folder(lstm: Path) -> None:
    for name in ("ck.index", "ck.data-00000-of-00001"):
        (lstm / "ck").mkdir(exist_ok=True)
        shutil.copyfile(GOLDEN / "tf26_lstm2_ckpt" / name, lstm / "ck" / name)
    assert all(map(is_one_model, (lstm / "model.h5", lstm / "ck", lstm / "ck" / "ck", lstm / "nowhere.h5")))
    assert not any(map(is_one_model, (lstm, lstm / "*.h5", lstm / "ck*")))


def test_folders_in_folders_without_end_are_looked_through(tmp_path: Path) -> None:
    """Deeper than Python calls functions."""
    deep = tmp_path / "deep"
    inner = deep.joinpath(*"d" * 150)
    inner.mkdir(parents=True)
    shutil.copyfile(GOLDEN / "k2.2.4_tensorflow_lstm2.h5", inner / "m.h5")
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack()) + 100)
    try:
        assert [one.found.path for one in find([deep], tmp_path / "out", print)] == [inner / "m.h5"]
    finally:
        sys.setrecursionlimit(limit)
