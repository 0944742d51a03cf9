"""How far ONNX Runtime's functions are from the truth, told in extended precision: what its bounds take for granted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from harness import backends
from harness.backends.ported_onnx import lacking
from harness.backends.runtime_onnx import session
from harness.bounds import ACTIVATION, own_errors
from harness.compare import UNIT, agreement
from harness.expected import expect_outputs
from harness.problems import Problem
from harness.results import FAILS, HOLDS
from weight_mapping.activations import NUMPY, ROWS, Activation, activation
from weight_mapping.onnx import to_onnx
from weight_mapping.spec import Cell, Input, ModelSpec, Node, Plain, Recurrent, Ref
from weight_mapping.weights import CellWeights, Portable

(RUNTIME,), _ = backends.load(["onnx"])
Y = np.longdouble


class Extended(NUMPY):  # type: ignore[misc]
    """NumPy's functions without their intermediate float64."""

    @staticmethod
    def logaddexp(x: NDArray[Any], y: NDArray[Any]) -> NDArray[Any]:
        return np.maximum(x, y) + np.log1p(np.exp(-np.abs(x - y)))


def _rows() -> Iterator[Activation]:
    for name, row in ROWS.items():
        if row.derivative is not None and name not in ("hard_sigmoid", "squareplus"):
            yield from [activation(name, approximate=True)] if name == "gelu" else [activation(name)]


def _arguments(dtype: str) -> NDArray[Any]:
    """All orders of magnitude, and close together where functions bend; within what their results can be."""
    rng = np.random.default_rng(0)
    sizes = np.exp(rng.uniform(np.log(1e-37), np.log(80), 20000)) * rng.choice([-1, 1], 20000)
    return np.concatenate([sizes, rng.uniform(-40, 40, 30000), rng.uniform(-8, 8, 20000)]).astype(dtype)


def _errors(of: Activation, dtype: str) -> tuple[float, float]:
    """The greatest error of the function in u of 1 + |y|, and of 1 + |y| + |x|."""
    spec = ModelSpec(
        name="function", layers={"f": Plain(kind="activation", options={"activation": of})},
        nodes=(Node(name="f", layer="f", inputs=(Ref("x"),)),),
        inputs=(Input(name="x", shape=(1, None), dtype=dtype),), outputs=(Ref("f", 0),),
    )  # fmt: skip
    model = to_onnx(Portable(spec=spec, weights={}), dtype=dtype)
    assert not lacking(model)
    x = _arguments(dtype)
    (found,) = session(model.SerializeToString(), threads=1).run(None, {"x": x[None]})
    right = of.function(x.astype(Y), Extended)
    error = np.abs(found[0].astype(Y) - right) / UNIT[dtype]
    size = 1 + np.abs(right)
    return float((error / size).max()), float((error / (size + np.abs(x))).max())


@pytest.mark.skipif(np.finfo(Y).eps > 2.0**-60, reason="this processor has no extended precision")
@pytest.mark.parametrize("of", list(_rows()), ids=str)
def test_every_function_is_as_precise_as_its_bounds_say(of: Activation) -> None:
    errors = [_errors(of, dtype) for dtype in UNIT]
    assert max(error for _, error in errors) < ACTIVATION
    assert (max(error for error, _ in errors) > ACTIVATION) == (of.name in RUNTIME.of_argument), errors


def test_the_argument_s_share_is_in_its_own_bounds_and_in_no_other_s() -> None:
    """silu(-15) is -5e-6: ONNX Runtime's is off by more than any other's may be."""
    cell = Cell(kind="rnn", units=1, input_size=1, activation=activation("silu"), bias="none")
    one = CellWeights(kind="rnn", kernel=np.ones((1, 1, 1)), recurrent=np.zeros((1, 1, 1)))
    x = np.random.default_rng(0).uniform(-16, -14, (256, 1, 1)).astype(np.float32).astype(np.float64)
    problem = Problem(layer=Recurrent(cells=(cell,)), weights={("0",): one}, xs=(x,))
    torch, missing = backends.load(["torch module"])
    assert not missing and own_errors(problem, RUNTIME) == {"silu"} and not own_errors(problem, torch[0])
    found = RUNTIME.build(problem, "float64").outputs()
    verdicts = []
    for of_argument in (own_errors(problem, torch[0]), own_errors(problem, RUNTIME)):
        right, limits = expect_outputs(problem, "float64", of_argument)
        verdicts.append(agreement("outputs", "onnx", right, found, limits["float64"], dtype="float64").verdict)
    assert verdicts == [FAILS, HOLDS]
