"""A stranger's model is run for a proof only as far as a small file may ask for; a trusted one, whatever it takes."""

from __future__ import annotations

import sys
from collections.abc import Mapping

import numpy as np
import pytest

from harness.porting import affordable
from weight_mapping.errors import DamagedFile, PortingError, UnsafeFile, Unsupported
from weight_mapping.plain import plain
from weight_mapping.spec import Cell, Input, Layer, Recurrent, chain
from weight_mapping.weights import CellWeights, Portable

RNG = np.random.default_rng(3)


def model(*layers: Layer, steps: int | None = None) -> Portable:
    """An RNN(2) over three features, and these layers behind it."""
    cell = Cell(kind="rnn", units=2, input_size=3, bias="none")
    named: Mapping[str, Layer] = {"rnn": Recurrent(cells=(cell,)), **{f"l{n}": each for n, each in enumerate(layers)}}
    weights = CellWeights(kind="rnn", kernel=RNG.normal(size=(1, 2, 3)), recurrent=RNG.normal(size=(1, 2, 2)))
    spec = chain("m", Input(name="x", shape=(None, steps, 3)), named)
    return Portable(spec=spec, weights={("rnn", "0"): weights})


TOO_LARGE = {
    "numbers": model(steps=1 << 23),
    "steps": model(steps=60_000),
    "calls of layers": model(*[plain("dropout", rate=0.1)] * 3000),
    "numbers of output": model(plain("repeat_vector", n=500_000)),
}


@pytest.mark.parametrize("what", TOO_LARGE)
def test_what_takes_too_much_is_refused_with_the_way_out(what: str) -> None:
    with pytest.raises(Unsupported, match=rf"too large.* {what}.*--no-proof.*--trusted"):
        affordable.check(TOO_LARGE[what])


@pytest.mark.parametrize("what", ["steps", "calls of layers", "numbers of output"])
def test_without_the_check_it_would_be_run(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(affordable, "MOST_STEPS", 1 << 40)
    monkeypatch.setattr(affordable, "MOST_CALLS", 1 << 40)
    monkeypatch.setattr(affordable, "MOST_KEPT", 1 << 40)
    affordable.check(TOO_LARGE[what])


def test_what_can_be_run_is() -> None:
    affordable.check(model(plain("repeat_vector", n=50), plain("flatten")))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits a process's memory")
def test_memory_is_limited_while_it_runs_and_not_after(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(affordable, "_MEMORY", 100 << 20)
    with pytest.raises(UnsafeFile, match="more memory"), affordable.limited(model()):
        np.ones(40 << 20)
    assert np.ones(40 << 20).nbytes == 320 << 20


def test_a_model_that_contradicts_itself_is_no_error_of_ours() -> None:
    with pytest.raises(DamagedFile, match=r"can't be computed.*ValueError"):
        affordable.check(model(plain("permute", dims=(5, 9))))
    with pytest.raises(PortingError, match="as it is"), affordable.limited(model()):
        raise Unsupported("as it is")
