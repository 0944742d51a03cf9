"""Readings that are forks of one process: the same answers as by a process of their own, and the same ends."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.reading import confined
from harness.reading.forking import Forks
from weight_mapping.errors import DamagedFile, UnsafeFile

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system can't fork")
GOLDEN = Path(__file__).parents[1] / "golden"
SERVE = "from harness.reading import forking, reader; import os, time; reader.answer = {}; forking.main()"


def forks(answer: str) -> Forks:
    """A process whose forks do this in place of reading."""
    return Forks(command=[sys.executable, "-c", SERVE.format(answer)], environment=os.environ)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[tuple[str, str]]:
    yield str(tmp_path / "answer"), str(tmp_path)


def test_the_answers_are_those_of_a_process_of_its_own() -> None:
    files = [GOLDEN / name for name in ("k1.2.2_theano_bi.h5", "k3151_bimask.keras", "k2.2.4_tensorflow_lstm_hs.h5")]
    alone = [confined.load(file) for file in files]
    with confined.forking():
        forked = [confined.load(file) for file in files]
        with pytest.raises(DamagedFile, match="none of the files"):
            confined.load(Path(__file__))
        again = confined.load(files[0])
    for one, other in zip([*alone, alone[0]], [*forked, again], strict=True):
        assert one.spec == other.spec and one.fingerprints() == other.fingerprints()
    assert not confined._FORKS


def test_what_leads_outside_is_refused_in_a_fork_too(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    (outside / "model.h5").write_bytes((GOLDEN / "k2.2.4_tensorflow_rnn.h5").read_bytes())
    told = (
        f"r.READINGS = {{'load': lambda file, config: (open('{outside / 'model.h5'}').read(), {{}})}}; forking.main()"
    )
    command = [sys.executable, "-c", f"from harness.reading import forking, readings as r; {told}"]
    request = {"reading": "load", "options": {}, "file": str(inside / "x.h5"), "config": None,
               "memory": 1 << 30, "processor_seconds": 5, "answer": 1 << 20}  # fmt: skip
    reader = Forks(command=command, environment=os.environ)
    try:
        assert reader.run(request, str(tmp_path / "answer"), str(inside), 30) == 0
    finally:
        reader.end()
    assert "leads to another, which is not opened" in (tmp_path / "answer").read_text()


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ("lambda *_: time.sleep(60)", None),
        ("lambda *_: os.abort()", -signal.SIGABRT),
        ("lambda *_: 1 / 0", 1),
        ("lambda *_: None", 0),
        ("lambda *_: os.kill(os.getppid(), 9)", -signal.SIGKILL),
    ],
)
def test_every_end_of_a_fork_is_told(answer: str, code: int | None, place: tuple[str, str]) -> None:
    reader = forks(answer)
    try:
        for _ in range(2):  # the second one by a new process where the first was killed
            assert reader.run({}, *place, seconds=1.0 if code is None else 60) == code
    finally:
        reader.end()


def test_a_reading_that_does_not_end_is_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confined, "_FORKS", [forks("lambda *_: time.sleep(60)")])
    monkeypatch.setattr(confined, "_limits", lambda size: confined.Limits(wall_seconds=1))
    try:
        with pytest.raises(UnsafeFile, match="reading it does not end"):
            confined.load(GOLDEN / "k2.2.4_tensorflow_rnn.h5")
    finally:
        confined._FORKS[0].end()
