"""What a file can be ported to, a module each: how the model is written there, and how what was written is proved. None
imports a framework before it is asked for a port."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, cast

from harness.porting.request import Request
from harness.results import Case
from weight_mapping.errors import PortingError
from weight_mapping.weights import Portable

NAMES = ("torch", "keras", "onnx")


@dataclass(frozen=True, slots=True, kw_only=True)
class Proved:
    """The proof, what each layer became, and what holds each array."""

    case: Case | None = None
    modules: Mapping[str, str] = field(default_factory=dict)
    arrays: Mapping[str, str] = field(default_factory=dict)


Prove = Callable[..., Case]
"""`harness.porting.proving.prove` of the model at hand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """A model on its way to one target: `write` puts it into a folder and tells the files' names, `prove` compares what
    is written there with the oracle; `untried`, what of the proof can't be measured here, and why."""

    write: Callable[[Path], tuple[str, ...]]
    prove: Callable[[Prove], Proved]
    untried: Mapping[str, str] = field(default_factory=dict)


class Target(Protocol):
    """A module of this folder."""

    SUFFIX: str
    """Of the model's file."""

    def ahead(self) -> None:
        """Import what the proof takes longest to import. Raises ImportError where it is not there."""

    def runs(self, request: Request) -> bool:
        """Whether to write the model is to run it."""

    def port(self, portable: Portable, request: Request) -> Port:
        """The port, made as far as it can be before anything is written. Raises PortingError."""


def named(name: str) -> Target:
    return cast(Target, importlib.import_module(f"{__name__}.{name}"))


def file_name(request: Request) -> str:
    """Of the ported model."""
    return f"model.{request.suffix or named(request.target).SUFFIX}"


NO_PROOF = ", or pass --no-proof"


def needed(missing: ModuleNotFoundError, what: str, extra: str, otherwise: str = "") -> PortingError:
    """What is said where a package is not installed; `otherwise`: how to do without it."""
    return PortingError(
        f"{what} needs {missing.name}", way_out=f"Install it: pip install 'lstm-parity[{extra}]'{otherwise}."
    )
