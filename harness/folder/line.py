"""One line of the log: everything about one finished file, by itself."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any

from harness.folder.fates import Fate
from harness.folder.task import Task, identity, spelled
from harness.results import NOT_MEASURED, Results
from harness.version import environment
from weight_mapping.errors import PortingError, Unsupported

SCHEMA = 1
_LONGEST = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """`path` as the file was named, spelled harmlessly; `folder` is its own within the output, or ''.

    fate         a name of `harness.folder.fates`; `verdict` that of the proof
    sha256       of the file, or over the files that it is made of; None where it could not be read
    config       the file beside it that its configuration was taken from
    checks       of the proof: check, backend, error, bound, unit, verdict
    error        type, what, where, found, expected, way_out, and `layers`: the names of those that are not supported
    seconds      of wall clock, in the process that did it; `peak_mib`: the greatest memory of that process meanwhile
    attempts     2 where the first one's process died
    options      what was asked for; `code` and `environment`: what did it"""

    path: str
    folder: str
    fate: str
    verdict: str = NOT_MEASURED
    sha256: str | None
    config: str | None = None
    container: str | None = None
    keras_version: str | None = None
    parameters: int | None = None
    layers: tuple[str, ...] = ()
    checks: tuple[Mapping[str, Any], ...] = ()
    error: Mapping[str, Any] | None = None
    seconds: float = 0.0
    peak_mib: float | None = None
    attempts: int = 1
    options: Mapping[str, Any]
    code: str
    environment: Mapping[str, Any]
    finished: str
    schema: int = SCHEMA

    @property
    def identity(self) -> str:
        return identity(self.sha256 or "", self.code, dict(self.options))

    def to_json(self) -> str:
        """One line without its end; every string spelled harmlessly, no NaN."""
        return json.dumps(_plain(asdict(self)), allow_nan=False)


def from_json(text: str | bytes) -> Line:
    """ValueError or TypeError for what is no line of this schema."""
    told = json.loads(text)
    if not isinstance(told, dict) or told.get("schema") != SCHEMA:
        raise ValueError("not a line of this schema")
    known = {f.name for f in fields(Line)}
    fitting: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in told.items() if k in known}
    return Line(**fitting)


def of_results(task: Task, fate: Fate, results: Results) -> Line:
    """The line of a file that was written."""
    told = results.port
    keys = ("check", "backend", "error", "bound", "unit", "verdict")
    return Line(
        **_of(task), fate=fate.name, verdict=results.cases[0].verdict if results.cases else NOT_MEASURED,
        container=told["container"], keras_version=told["keras_version"], parameters=told["parameters"],
        layers=tuple(row["class"] for row in told["layers"]),
        checks=tuple({key: getattr(a, key) for key in keys} for case in results.cases for a in case.agreements),
    )  # fmt: skip


def of_error(task: Task, fate: Fate, error: Mapping[str, Any]) -> Line:
    """The line of a file that was not written whole."""
    return Line(**_of(task), fate=fate.name, error=error)


def of_unreadable(path: str, options: Mapping[str, Any], code: str, fate: Fate, error: Exception) -> Line:
    """The line of a file whose bytes can't be had at all: it has no folder."""
    return Line(
        path=spelled(path), folder="", fate=fate.name, sha256=None, error=described(error),
        options=dict(options), code=code, environment=environment(), finished=_now(),
    )  # fmt: skip


def described(error: Exception) -> dict[str, Any]:
    """An error as data."""
    found = {key: getattr(error, key, None) for key in ("where", "found", "expected", "way_out")}
    told = {key: None if value is None else str(value) for key, value in found.items()}
    layers = [error.class_name, *sorted(error.also)] if isinstance(error, Unsupported) and error.class_name else []
    what = error.what if isinstance(error, PortingError) else f"{type(error).__name__}: {error}"
    return {"type": type(error).__name__, "what": what, **told, "layers": layers}


def _of(task: Task) -> dict[str, Any]:
    return {
        "path": task.name, "folder": task.folder, "sha256": task.sha256, "options": asdict(task.request),
        "code": task.code, "environment": environment(), "finished": _now(),
    }  # fmt: skip


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {spelled(key, _LONGEST): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int) else spelled(value, _LONGEST)
