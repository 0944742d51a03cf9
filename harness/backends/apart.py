"""Keras 3 on PyTorch and on JAX, each in a process of its own, since a process has one Keras 3. The process lives as
long as the backend; one that dies is a failure of what it was asked for, and the next question starts another."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import IO, Any

from numpy.typing import NDArray

from harness.backends import Answer, Arrays
from harness.endings import ending, last_said
from harness.problems import Problem
from harness.training.descent import STEPS
from harness.training.optimizers import DESCENT, Walk
from weight_mapping.spec import Path
from weight_mapping.weights import CellWeights

_ENVIRONMENTS: Mapping[str, Mapping[str, str]] = {
    "keras 3 on torch": {"KERAS_BACKEND": "torch"},
    "keras 3 on jax": {"KERAS_BACKEND": "jax", "JAX_ENABLE_X64": "1", "JAX_PLATFORMS": "cpu"},
}
_COMMON = {"CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3"}
"""For the processor alone, on which the other backends are compared as well."""
_PATIENCE = 600.0
"""Seconds after which no answer is one."""
_TAIL = 400


def backend(name: str) -> Apart:
    for package in ("keras", _ENVIRONMENTS[name]["KERAS_BACKEND"]):
        if importlib.util.find_spec(package) is None:
            raise ImportError(f"there is no {package}")
    return Apart(name=name)


class Crashed(Exception):
    """The process gave no answer."""


@dataclass(slots=True, eq=False, weakref_slot=True, kw_only=True)
class Apart:
    name: str
    keras: int | None = 3
    of_argument: frozenset[str] = frozenset()
    command: Sequence[str] = (sys.executable, "-P", "-m", "harness.backends.apart_child")
    _process: _Process | None = None
    _numbers: count[int] = field(default_factory=lambda: count(1))
    _dropped: list[int] = field(default_factory=list)

    def coarse(self, problem: Problem) -> str:  # noqa: ARG002
        return "Keras 3.15 takes float64 for float32 in products and functions unless it runs on TensorFlow"

    def build(self, problem: Problem, dtype: str) -> ApartSubject:
        return self.kept(0, "build", problem, dtype)

    def fresh(self, problem: Problem) -> Mapping[Path, CellWeights] | None:
        found: Mapping[Path, CellWeights] | None = self.ask(0, "fresh", problem)
        return found

    def kept(self, target: int, method: str, *arguments: Any) -> ApartSubject:
        """The subject that the method makes, which stays in the process until it is dropped here."""
        number = next(self._numbers)
        over_time = self.ask(target, method, *arguments, keep=number)
        subject = ApartSubject(backend=self, number=number, dropout_over_time=over_time)
        weakref.finalize(subject, self._dropped.append, number)
        return subject

    def ask(self, target: int, method: str, *arguments: Any, keep: int = 0) -> Any:
        """What the method of the backend (target 0) or of a kept subject gives, or the error that it raises there."""
        if self._process is None:
            self._process = _Process.started(self.command, _ENVIRONMENTS[self.name])
            weakref.finalize(self, self._process.end)
        dropped, self._dropped[:] = tuple(self._dropped), []
        try:
            self._process.connection.send((dropped, target, method, arguments, keep))
            if not self._process.connection.poll(_PATIENCE):
                raise TimeoutError
            answer, error = self._process.connection.recv()
        except (OSError, EOFError, TimeoutError) as gone:
            process, self._process = self._process, None
            why = f"no answer in {_PATIENCE:.0f} s; " if isinstance(gone, TimeoutError) else ""
            raise Crashed(f"{why}the process of {self.name} ended by {process.end()}") from gone
        if error is not None:
            raise error
        return answer


@dataclass(slots=True, eq=False, weakref_slot=True, kw_only=True)
class ApartSubject:
    backend: Apart
    number: int
    dropout_over_time: bool

    def outputs(self) -> Arrays:
        return self._ask("outputs")  # type: ignore[no-any-return]

    def renumbered(self, problem: Problem) -> ApartSubject:
        return self.backend.kept(self.number, "renumbered", problem)

    def answer(self) -> Answer:
        return self._ask("answer")  # type: ignore[no-any-return]

    def step(self, path: Path, x: NDArray[Any], states: Sequence[NDArray[Any]]) -> Arrays:
        return self._ask("step", path, x, states)  # type: ignore[no-any-return]

    def train(self, steps: int = STEPS, walk: Walk = DESCENT) -> Arrays:
        return self._ask("train", steps, walk)  # type: ignore[no-any-return]

    def sample(self) -> NDArray[Any]:
        return self._ask("sample")  # type: ignore[no-any-return]

    def _ask(self, method: str, *arguments: Any) -> Any:
        return self.backend.ask(self.number, method, *arguments)


@dataclass(slots=True, eq=False, kw_only=True)
class _Process:
    running: subprocess.Popen[bytes]
    connection: Connection
    said: IO[bytes]

    @classmethod
    def started(cls, command: Sequence[str], environment: Mapping[str, str]) -> _Process:
        ours, theirs = Pipe()
        said = tempfile.TemporaryFile()  # noqa: SIM115
        running = subprocess.Popen(
            [*command, environment["KERAS_BACKEND"], str(theirs.fileno())], pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL, stdout=said, stderr=said, env={**os.environ, **_COMMON, **environment},
        )  # fmt: skip
        theirs.close()
        return cls(running=running, connection=ours, said=said)

    def end(self) -> str:
        """End it where it still runs; how it ended, in words."""
        with contextlib.suppress(OSError):
            self.connection.close()
        try:
            code = self.running.wait(0.5)
        except subprocess.TimeoutExpired:
            self.running.kill()
            code = self.running.wait()
        if self.said.closed:
            return ""
        tail = last_said(self.said, _TAIL)
        self.said.close()
        return ending(code, tail)
