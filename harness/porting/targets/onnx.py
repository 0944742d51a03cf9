"""To ONNX: a graph, written by a run of the model, and proved in ONNX Runtime."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from harness.porting.request import Request
from harness.porting.targets import NO_PROOF, Port, Prove, Proved, file_name, needed
from weight_mapping.weights import Portable

SUFFIX = "onnx"


def ahead() -> None:
    import harness.backends.ported_onnx  # noqa: F401


def runs(request: Request) -> bool:  # noqa: ARG001
    return True


def port(portable: Portable, request: Request) -> Port:
    try:
        import weight_mapping.onnx as written
    except ModuleNotFoundError as missing:
        raise needed(missing, "--to onnx", "onnx") from None

    def write(folder: Path) -> tuple[str, ...]:
        written.save(portable, folder / file_name(request))
        return (file_name(request),)

    return Port(write=write, prove=partial(_proved, portable))


def _proved(portable: Portable, prove: Prove) -> Proved:
    try:
        from harness.backends import ported_onnx
    except ModuleNotFoundError as missing:
        raise needed(missing, "the proof", "onnx", NO_PROOF) from None
    case = prove(ported_onnx.outputs, backend="ONNX Runtime", dtypes=ported_onnx.dtypes(portable))
    return Proved(case=case, modules=ported_onnx.destinations(portable))
