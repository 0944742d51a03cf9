"""Found models into tasks: each is read once for its fingerprint."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

from harness.folder import fates, line
from harness.folder.find import Model
from harness.folder.line import Line
from harness.folder.task import Task
from harness.porting.request import Request
from harness.version import code
from weight_mapping.errors import PortingError


def plan(
    models: Iterable[Model], output: Path, request: Request, *, config: Path | None, timeout: float
) -> Iterator[Task | Line]:  # fmt: skip
    """The task of each model; the line of one that can't be read at all. `config` is taken for every file of weights
    in place of what lies beside it."""
    base, done_by = str(Path.cwd()), code()
    for model in models:
        beside = config or model.config
        path, files = str(model.found.path), [beside] if beside else []
        try:
            sha256 = model.found.sha256(*files)
        except (PortingError, OSError) as error:
            yield line.of_unreadable(path, asdict(request), done_by, fates.of_error(error), error)
            continue
        yield Task(
            base=base, path=path, config=str(beside) if beside else None,
            parts=tuple(map(str, (*(model.found.parts or (model.found.path,)), *files))), sha256=sha256,
            output=str(output.absolute()), code=done_by, request=request, timeout=timeout,
        )  # fmt: skip
