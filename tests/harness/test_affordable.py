"""A stranger's model is run for a proof only as far as a small file may ask for; a trusted one, whatever it takes."""

from __future__ import annotations

import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from harness.porting import affordable
from harness.porting.proving import prove
from harness.results import FAILS, HOLDS
from weight_mapping import oracle
from weight_mapping.activations import Activation
from weight_mapping.errors import DamagedFile, PortingError, UnsafeFile, Unsupported
from weight_mapping.plain import plain
from weight_mapping.probe import probe
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


def leaky(count: int) -> Portable:
    """So many RNN(2) one upon the other, each with a slope of its own."""
    cells = [Cell(kind="rnn", units=2, bias="none", activation=Activation("leaky_relu", (("negative_slope", n / 100),)))
             for n in range(count)]  # fmt: skip
    layers = {f"r{n}": Recurrent(cells=(cell,), return_sequences=True) for n, cell in enumerate(cells)}
    square = CellWeights(kind="rnn", kernel=RNG.normal(size=(1, 2, 2)), recurrent=RNG.normal(size=(1, 2, 2)))
    spec = chain("m", Input(name="x", shape=(None, None, 2)), layers)
    return Portable(spec=spec, weights={(name, "0"): square for name in layers})


TOO_LARGE = {
    "numbers": model(steps=1 << 23),
    "seconds a run": model(steps=26_000),
    "calls of layers": model(*[plain("dropout", rate=0.1)] * 3000),
    "numbers of output": model(plain("repeat_vector", n=500_000)),
    "numbers at once": model(plain("repeat_vector", n=6000), plain("up_sampling", rank=1, size=(1,)), plain("flatten")),
    "different activations to compile": leaky(9),
}


@pytest.mark.parametrize("what", TOO_LARGE)
def test_what_takes_too_much_is_refused_with_the_way_out(what: str) -> None:
    with pytest.raises(Unsupported, match=rf"too large.* {what}.*--no-proof.*--trusted"):
        affordable.check(TOO_LARGE[what])


def test_the_run_answers_for_the_proof_of_the_same_seed() -> None:
    small = model()
    answer = affordable.check(small, seed=3)
    assert (answer[0] == oracle.run(small, *probe(small.spec, 3))).all()

    def outputs(portable: Portable, inputs: Sequence[Any], _dtype: str) -> list[Any]:
        return oracle.outputs(portable, *inputs)

    assert prove(small, outputs, seed=3, answer=answer, dtypes=("float64",)).verdict == HOLDS
    wrong = [y * (1 + 1e-9) for y in answer]  # which shows that the proof holds the port to it
    assert prove(small, outputs, seed=3, answer=wrong, dtypes=("float64",)).verdict == FAILS


@pytest.mark.parametrize("what", ["seconds a run", "calls of layers", "numbers of output"])
def test_without_the_check_it_would_be_run(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for limit in ("MOST_SECONDS", "MOST_CALLS", "MOST_KEPT"):
        monkeypatch.setattr(affordable, limit, 1 << 40)
    affordable.check(TOO_LARGE[what])


def test_two_ports_take_longer_than_one() -> None:
    long = model(steps=20_000)
    affordable.check(long)
    with pytest.raises(Unsupported, match="seconds a run"):
        affordable.check(long, twice=True)


def test_many_weights_of_few_bytes_are_too_many() -> None:
    """Packed, or one number again and again; as many bytes as they declare are enough for them."""
    units = 10_000
    dense = model(plain("dense", units=units, use_bias=False))
    kernel = np.broadcast_to(np.float32(0), (2, units))
    wide = replace(
        dense, weights={**dense.weights, ("l0",): {"kernel": np.broadcast_to(np.float32(0), (2, 60_000_000))}}
    )
    with pytest.raises(Unsupported, match=r"m: .*seconds a run"):
        affordable.check(wide)
    affordable.check(replace(dense, weights={**dense.weights, ("l0",): {"kernel": kernel}}), stored=kernel.nbytes)


def test_a_larger_file_may_take_longer() -> None:
    affordable.check(TOO_LARGE["seconds a run"], stored=100 << 20)


def test_a_run_without_end_is_ended_and_the_clock_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last line, for what the costs do not tell."""
    monkeypatch.setattr(affordable, "_PATIENCE", 0.05)
    before = signal.getsignal(signal.SIGALRM)
    with pytest.raises(Unsupported, match=r"takes too long.*--trusted"), affordable.limited(model()):
        while True:
            np.ones(9).sum()
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0 and signal.getsignal(signal.SIGALRM) is before


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
