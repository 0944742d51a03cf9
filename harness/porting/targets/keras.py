"""To a file of another Keras: proved by reading it again, and by loading it in that Keras where it is here."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import weight_mapping as wm
from harness.porting.proving import Outputs, Way, with_arrays
from harness.porting.request import Request
from harness.porting.targets import Port, Prove, Proved, file_name
from weight_mapping.activations import KERAS_SLOPES
from weight_mapping.weights import Portable

SUFFIX = "keras"


def ahead() -> None:
    """The oracle reads what is written; a Keras has a process of its own."""


def runs(request: Request) -> bool:  # noqa: ARG001
    return False


def port(portable: Portable, request: Request) -> Port:
    def write(folder: Path) -> tuple[str, ...]:
        wm.save(portable, folder / file_name(request), keras=request.keras, proof=request.proof)
        return (file_name(request),)

    untried = _untried(portable, request) if request.proof else {}
    return Port(write=write, prove=partial(_proved, portable, request, bool(untried)), untried=untried)


def _proved(portable: Portable, request: Request, untried: bool, prove: Prove) -> Proved:
    from weight_mapping.saving.slopes import slopes

    dtypes: tuple[str, ...] = ("float64", "float32")
    beside: list[Way] = []
    if request.keras is not None and slopes(portable) - {slope := KERAS_SLOPES[request.keras]}:
        # Scaled weights are rounded to float32 once more: of the file only float32's bound can hold, and float64 judges
        # the scaling itself.
        dtypes, beside = ("float32",), [_scaled(slope)]
    beside += [] if untried else [_loaded(portable, request)]
    return Proved(case=prove(_read_again(request), backend="the file read again", dtypes=dtypes, beside=beside))


def _scaled(slope: float) -> Way:
    """The model with weights scaled to this slope of hard_sigmoid, before they are rounded to what a file holds."""

    def outputs(portable: Any, inputs: Any, dtype: str) -> Any:
        from weight_mapping import oracle
        from weight_mapping.saving.slopes import with_slope

        return oracle.outputs(with_slope(with_arrays(portable, lambda a: a.astype(dtype)), slope), *inputs)

    return Way(check="outputs of the scaled weights", backend="the oracle", outputs=outputs, dtypes=("float64",))


def _loaded(portable: Portable, request: Request) -> Way:
    """The written file in the Keras that it is for."""
    from harness.backends import loaded_keras

    name, _ = loaded_keras.loader(portable, request.keras)
    outputs = loaded_keras.outputs(request.keras, file_name(request))
    return Way(check=f"outputs in {name}", backend=name, outputs=outputs, dtypes=loaded_keras.DTYPES)


def _untried(portable: Portable, request: Request) -> dict[str, str]:
    from harness.backends import loaded_keras

    name, missing = loaded_keras.loader(portable, request.keras)
    return {f"outputs in {name}": missing} if missing else {}


def _read_again(request: Request) -> Outputs:
    """The oracle on the file as written, in place of a framework: what the file means is what is compared. It is
    written and read once, for either precision."""
    answers: list[Any] = []

    def outputs(portable: Any, inputs: Any, dtype: str) -> Any:
        if not answers:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / file_name(request)
                wm.save(portable, path, keras=request.keras)
                answers.extend(wm.oracle.outputs(wm.load(path), *inputs))
        return [y.astype(dtype) for y in answers]

    return outputs
