"""Every kind of model in ONNX: ONNX Runtime answers as the oracle does, and as the Keras of the time did."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import onnx
import pytest
from graph_models import GOLDEN, GRAPHS
from judged import agreement
from recurrent_models import RECURRENT

import weight_mapping as wm
from harness.backends.ported_onnx import outputs
from weight_mapping.onnx import to_onnx
from weight_mapping.onnx.plain import FUNCTIONS
from weight_mapping.onnx.scan import STEPS
from weight_mapping.plain import KINDS
from weight_mapping.spec import Cell, ConvCell
from weight_mapping.weights import Portable

MODELS: Mapping[str, Callable[[], Portable]] = {**RECURRENT, **GRAPHS}
RECORDED = [name for name in MODELS if name.startswith("golden ")]
OTHERS = [name for name in MODELS if name not in RECORDED]
LOOPS = [name for name in OTHERS if name.startswith(("masked", "operation"))]
"""What has no operator that ONNX Runtime computes in float32 alone: LSTM, GRU, RNN, Conv and some more."""


def test_the_tables_hold_the_same_kinds() -> None:
    assert set(FUNCTIONS) == set(KINDS)
    assert set(STEPS) == {"lstm", "gru", "rnn", ConvCell.kind} and "kind" in Cell.__slots__


@pytest.mark.parametrize("name", OTHERS)
def test_the_runtime_answers_as_the_oracle(name: str) -> None:
    found = agreement(MODELS[name]())
    assert found.verdict == "holds", f"{found.error} of {found.bound} at {found.where}"


@pytest.mark.parametrize("name", LOOPS)
def test_loops_and_operations_hold_in_float64(name: str) -> None:
    found = agreement(MODELS[name](), "float64")
    assert found.verdict == "holds", f"{found.error} of {found.bound} at {found.where}"


@pytest.mark.parametrize("name", RECORDED)
def test_files_of_every_generation_give_the_recorded_outputs(name: str) -> None:
    file = GOLDEN / name.removeprefix("golden ")
    with np.load(file.with_suffix(".npz")) as kept:
        inputs, recorded = ([kept[n] for n in sorted(kept) if n.startswith(letter)] for letter in "xy")
    for y, expected in zip(outputs(wm.load(file), inputs, "float32"), recorded, strict=True):
        # float32 on both sides: each tanh and sigmoid of TensorFlow may be off by 6 units in the last place
        np.testing.assert_allclose(y, expected, rtol=0, atol=1e-5)


def test_the_same_model_is_the_same_bytes_and_passes_the_checker() -> None:
    for name in ("tagger", "shared_and_nested", "masked stack", "conv_lstm masked"):
        one, other = (to_onnx(MODELS[name]()).SerializeToString(deterministic=True) for _ in range(2))
        assert one == other
        onnx.checker.check_model(one, full_check=True)
