"""The whole: every case of the table, in every backend that is installed, against the float64 oracle."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from harness.backends import MODULES, SAMPLED, Backend, load
from harness.cases import Case, cases
from harness.check import check
from harness.results import CHAOTIC, FAILS, HOLDS, NOT_MEASURED

REFUSALS = {
    "keras 3": ("Keras 3 has no time_major", "Keras 3 draws one dropout mask", "Keras 3's SimpleRNN takes"),
    "keras 3 on torch": (
        "Keras 3 has no time_major", "Keras 3 draws one dropout mask", "Keras 3's SimpleRNN takes",
        "Keras 3 on PyTorch has no gradient of a stateful layer",
    ),
    "keras 3 on jax": ("Keras 3 on JAX puts out the initial state", "Keras 3 on JAX fails at a SimpleRNN in float64"),
    "onnx": ("ONNX Runtime's", "ONNX Runtime has no such operator", "an ONNX model is for inference", "onnx is for"),
    "torch nn": (
        "nn.LSTM has no", "nn.GRU has no", "nn.RNN has no", "PyTorch's own modules take no mask",
        "a constraint or regulariser over a bias that PyTorch keeps in two",
    ),
    "torch module": ("a constraint or regulariser over a bias that PyTorch keeps in two",),
}  # fmt: skip
"""What a backend may say that it can't state; anything else not measured is a gap."""


@pytest.fixture(scope="session")
def backends() -> Sequence[Backend]:
    found, missing = load(tuple(MODULES))
    if not found:
        pytest.skip(f"no framework is installed: {missing}")
    return found


ROUNDING_GROWS = {"lstm/chaotic", "training/RMSprop"}
"""In float32 alone: gains that make chaos, and steps as large for a gradient of 1e-6 as for one of 1."""


@pytest.mark.filterwarnings("ignore::UserWarning:keras")
@pytest.mark.parametrize("case", cases(), ids=lambda c: c.id)
def test_case(case: Case, backends: Sequence[Backend]) -> None:
    if case.row.weights == "fresh" and all(b.keras is None for b in backends):
        pytest.skip("no Keras is installed to draw the initial weights")
    backends = [b for b in backends if case.core or b.name not in SAMPLED]
    result = check(case, backends)
    failed = [
        f"{a.backend}, {a.check}: {a.error} > {a.bound} ({a.where}; {a.reason})"
        for a in result.agreements
        if a.verdict == FAILS
    ]
    assert not failed, "\n".join([*failed, f"repeat: {result.repeat}"])
    assert result.verdict == (CHAOTIC if case.row.id in ROUNDING_GROWS else HOLDS)
    for a in result.agreements:
        if a.verdict == NOT_MEASURED:
            assert a.reason.startswith(REFUSALS.get(a.backend, ())), a
    assert {a.backend for a in result.agreements} == {b.name for b in backends}
