"""A function of ours called in a fresh process: it yields plain data, which comes here as it is made."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any

from harness.endings import ending, last_said
from weight_mapping.errors import PortingError, shown

_TAIL = 600


def call(function: str, environment: Mapping[str, str], **arguments: Any) -> Iterator[Any]:
    """What `function` ('module:name', a generator) yields for these arguments, through JSON. PortingError where the
    process ends badly, with the last that it said. The process is gone when the iterator is."""
    command = [sys.executable, "-P", "-m", "harness.bench.fresh", function, json.dumps(arguments)]
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said, env={**os.environ, **environment},
            text=True, encoding="utf-8",
        ) as process,
    ):  # fmt: skip
        assert process.stdout
        try:
            for line in process.stdout:
                yield json.loads(line)
            if code := process.wait():
                *_, last = ["nothing", *last_said(said, _TAIL).splitlines()]
                found = ending(code, shown(last))
                raise PortingError("a process that measures died", where=function, found=found)
        finally:
            process.kill()


def main() -> None:
    """Call what the arguments name. What is printed otherwise goes where errors go."""
    function, arguments = sys.argv[1:]
    output = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    module, _, name = function.partition(":")
    for answer in getattr(importlib.import_module(module), name)(**json.loads(arguments)):
        print(json.dumps(answer), file=output, flush=True)


if __name__ == "__main__":
    main()
