"""To PyTorch: safetensors from which `weight_mapping.torch.build` makes the module; and where it is asked for model.py,
which needs nothing of ours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from harness import conventions
from harness.porting import affordable
from harness.porting.proving import Way
from harness.porting.request import Request
from harness.porting.targets import NO_PROOF, Port, Prove, Proved, file_name, needed
from weight_mapping.weights import Portable

SUFFIX = "safetensors"


def ahead() -> None:
    import harness.backends.ported  # noqa: F401


def runs(request: Request) -> bool:
    return request.standalone


def port(portable: Portable, request: Request) -> Port:
    import weight_mapping as wm

    alone = _standalone(portable, request) if request.standalone else None

    def write(folder: Path) -> tuple[str, ...]:
        wm.save(portable, folder / file_name(request), proof=request.proof)
        return (file_name(request), *(alone(folder) if alone else ()))

    return Port(write=write, prove=partial(_proved, portable, alone))


Writer = Callable[[Path], tuple[str, ...]]


def _standalone(portable: Portable, request: Request) -> Writer:
    """What writes model.py and its weights, made here: a refusal comes before the folder does."""
    try:
        from weight_mapping.torch.standalone import standalone, write_standalone
    except ModuleNotFoundError as missing:
        raise needed(missing, "--standalone", "torch") from None
    with affordable.limited(portable, trusted=request.trusted):
        return partial(write_standalone, standalone(portable))


def _proved(portable: Portable, alone: Writer | None, prove: Prove) -> Proved:
    try:
        from harness.backends import ported, standalone
    except ModuleNotFoundError as missing:
        raise needed(missing, "the proof", "torch", NO_PROOF) from None
    beside = (
        [Way(check="outputs of model.py", backend="PyTorch alone", outputs=standalone.outputs(alone))] if alone else []
    )
    case = prove(ported.outputs, beside=beside)
    mapped = [id for layer in portable.spec.layers.values() for id in conventions.of(layer)]
    modules, arrays = ported.destinations(portable)
    return Proved(case=replace(case, conventions=tuple(dict.fromkeys(mapped))), modules=modules, arrays=arrays)
