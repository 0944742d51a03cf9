"""One file to port: a value that goes to another process, or another machine, as JSON."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.porting.request import Request
from weight_mapping.errors import on_one_line


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A file, and what is asked of it. Its result depends on `identity` alone.

    base      the folder that every other path is relative to
    path      what is opened; its spelling in the log and on pages is `name`
    config    where the configuration lies, should the file be weights alone
    parts     every file that it is made of, the configuration beside it included
    sha256    over `parts`, as `Found.sha256`
    output    the folder of the whole run
    code      the fingerprint of the code that is to do it
    timeout   seconds after which it is given up"""

    base: str
    path: str
    config: str | None
    parts: tuple[str, ...]
    sha256: str
    output: str
    code: str
    request: Request
    timeout: float

    @property
    def name(self) -> str:
        return spelled(self.path)

    @property
    def folder(self) -> str:
        """The name of its folder within the output: never a name out of the file."""
        stem = re.sub(r"[^A-Za-z0-9._-]+", "_", Path(self.path).stem)[:60].strip("._")
        return f"{self.sha256[:12]}-{stem or 'model'}"

    @property
    def identity(self) -> str:
        return identity(self.sha256, self.code, asdict(self.request))

    @property
    def command(self) -> str:
        """What repeats this file alone."""
        config = ["--config", self.config] if self.config else []
        return spelled(
            shlex.join(["lstm-parity", "port", self.path, "-o", "DIR", *config, *self.request.options()]), 2000
        )

    def to_json(self) -> str:
        return json.dumps(asdict(self))


def from_json(text: str | bytes) -> Task:
    told: dict[str, Any] = json.loads(text)
    request = Request(**told.pop("request"))
    return Task(**{**told, "parts": tuple(told["parts"])}, request=request)


def identity(sha256: str, code: str, options: dict[str, Any]) -> str:
    """A fingerprint of what two results must share to be one: the file, the code and what was asked."""
    return hashlib.sha256(json.dumps([sha256, code, sorted(options.items())]).encode()).hexdigest()


def spelled(text: object, limit: int | None = None) -> str:
    """Any text as one harmless line."""
    return on_one_line(text, limit)
