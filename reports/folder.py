"""The index of a whole folder: what became of every file, in one table that sorts. It is made piece by piece from the
lines of the log, so that its length costs no memory."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from reports.render import environment, stylesheet

_FOLDER = re.compile(r"[0-9a-f]{12}-[A-Za-z0-9._-]{1,80}")
_SCRIPT = Path(__file__).parent / "templates" / "sort.js"
_PIECE = 50


def index(
    lines: Iterable[Mapping[str, Any]], *, fates: Sequence[Any], counts: Mapping[str, int],
    held_up: Mapping[str, int], facts: Mapping[str, Any], command: str,
) -> Iterator[str]:  # fmt: skip
    """The page in pieces. `lines`: one mapping a file, as the log has them. `fates`: objects with name, sign and
    meaning, from best to worst; `counts`: how many files had each."""
    stream = environment().get_template("folder.html").stream(
        rows=(row(line) for line in lines), fates=fates, counts=counts, held_up=held_up, facts=facts,
        command=command, rank={fate.name: n for n, fate in enumerate(fates)},
        signs={fate.name: fate.sign for fate in fates},
        style=Markup(_style(len(fates))), script=Markup(_SCRIPT.read_text(encoding="utf-8")),
    )  # fmt: skip
    stream.enable_buffering(_PIECE)
    yield from stream


def _style(fates: int) -> str:
    """The style sheet, with a rule for each fate that can be shown alone."""
    alone = [f"body:has(#fate-{n}:checked) tbody tr[class]:not(.f{n}){{display:none}}" for n in range(fates)]
    return "\n".join([stylesheet(), *alone, ""])


def row(line: Mapping[str, Any]) -> dict[str, Any]:
    """What the table shows of one line. A link is made of nothing but what a folder of ours can be called."""
    error = line.get("error") or {}
    folder, path = str(line.get("folder")), str(line.get("path"))
    said = {"where"} if str(error.get("where")).endswith(path) else set()
    check = min(_measured(line), key=lambda c: c["bound"] / c["error"] if c["error"] else float("inf"), default=None)
    return {
        "path": path, "fate": line.get("fate"), "config": line.get("config"),
        "page": f"{folder}/report.html" if _FOLDER.fullmatch(folder) else None,
        "why": "; ".join(str(error[key]) for key in ("where", "what", "found") if error.get(key) and key not in said),
        "way_out": error.get("way_out"), "keras": line.get("keras_version"), "container": line.get("container"),
        "parameters": line.get("parameters"), "check": check, "seconds": line.get("seconds"),
        "layers": ", ".join(str(layer).split(" ")[0] for layer in line.get("layers") or ()),
        "of_bound": check["error"] / check["bound"] if check and check["bound"] else None,
    }  # fmt: skip


def _measured(line: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    numbers = (int, float)
    return [
        check for check in line.get("checks") or ()
        if isinstance(check.get("error"), numbers) and isinstance(check.get("bound"), numbers)
    ]  # fmt: skip
