"""The port of one file, a function of its task: what it writes goes to a new folder, what it says is a line."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.folder import fates, line, peak
from harness.folder.fates import Fate
from harness.folder.line import Line
from harness.folder.task import Task
from harness.porting.port import port_file, write_refusal
from harness.porting.request import Request
from weight_mapping.errors import DamagedFile, PortingError, Unconfigured, Unwritable, WeightsMismatch
from weight_mapping.files.guard import digest, source


def port(task: Task, part: Path) -> Line:
    """Port the task's file into the folder `part`, which is new. Whatever the file is, the answer is a line."""
    started = time.perf_counter()
    peak.reset()
    try:
        done = _port(task, part)
    except Unwritable:
        raise  # of the output, which is no fate of a file
    except Exception as error:
        done = refused(task, part, fates.of_error(error), line.described(error))
    return replace(done, seconds=round(time.perf_counter() - started, 4), peak_mib=peak.mib())


def refused(task: Task, part: Path, fate: Fate, error: Mapping[str, Any]) -> Line:
    """The page and the line of a file that was not ported."""
    said = {key: value for key, value in error.items() if value and key != "layers"}
    told = {"file": task.name, "sha256": task.sha256, "fate": fate.name, **said, "unsupported": error["layers"]}
    write_refusal(part, told, task.command)
    return line.of_error(task, fate, error)


def _port(task: Task, part: Path) -> Line:
    """The whole model; with --layers-only its recurrent layers, where the whole is refused."""
    if digest([source(Path(name)) for name in task.parts]) != task.sha256:
        raise DamagedFile("the file is no longer the one that was found", where=task.name, expected=task.sha256)
    try:
        return _whole(task, part)
    except DamagedFile:
        raise
    except PortingError as refusal:
        if not task.request.layers_only:
            raise
        try:
            done = _written(task, None, task.request, part)
        except PortingError:
            raise refusal from None
        return replace(done, error=line.described(refusal))


def _whole(task: Task, part: Path) -> Line:
    """By the file's own configuration, else by the one beside it, if it is that of these weights."""
    request = replace(task.request, layers_only=False)
    try:
        return _written(task, None, request, part)
    except Unconfigured:
        if task.config is None:
            raise
    try:
        return _written(task, Path(task.config), request, part)
    except WeightsMismatch as error:
        raise Unconfigured(
            "weights without a configuration", where=task.name,
            found=f"{task.config} beside them, which is another model's ({error})",
            way_out="Pass --config with the configuration of these weights.",
        ) from None  # fmt: skip


def _written(task: Task, config: Path | None, request: Request, part: Path) -> Line:
    results = port_file(Path(task.path), config, part, request, command=task.command)
    done = line.of_results(task, fates.of_results(results, request.layers_only), results)
    return replace(done, config=None if config is None else str(config))
