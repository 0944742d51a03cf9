"""Results as a Markdown summary, for the step of a pipeline or a comment: the verdict, then what is worst."""

from __future__ import annotations

import html
import re

from harness.results import FAILS, Results
from reports.findings import Finding, findings
from reports.text import count, shown
from reports.verdict import left_out, verdict

LIMIT = 900_000
"""Bytes; what hosts of repositories take ends at a mebibyte."""
_SIGNS = {"holds": "✓", "fails": "✗", "chaotic": "~"}
_SPECIAL = re.compile(r"([\\`*_\[\]|~@#]|^[+-]|:(?=//|\w+:)|(?<=www)\.)")
"""What Markdown, or a host of repositories, takes for markup, a link, a person, an issue or a picture."""
_END = "\n… and {} more, none worse; results.json has them all.\n"


def markdown(results: Results, limit: int = LIMIT) -> str:
    """The summary, of at most `limit` bytes: rows are left out from the end, which is said."""
    told = verdict(results)
    lines = [f"## {_SIGNS.get(told.kind, 'i')} {_plain(told.sentence)}", ""]
    lines += [f"- {_plain(line)}" for line in told.because]
    lines += ["", f"Made by {_code(results.command)}.", ""]
    untold = left_out(results)
    tail = (
        ["", "### Not measured", "", *(f"- {_plain(what)}: {_plain(why)}" for what, why in untold[:50])]
        if untold
        else []
    )
    if len(untold) > 50:
        tail.append(f"- {len(untold) - 50:,} more")
    found = findings(results)
    head = ["| | Case | Check | Error | Bound | Margin |", "|---|---|---|---:|---:|---:|"] if found else []
    text, end = "\n".join([*lines, *head]) + "\n", "\n".join(tail) + "\n"
    room = limit - len(text.encode()) - len(end.encode()) - len(_END) - 20
    rows: list[str] = []
    for finding in found:
        row = _row(finding)
        room -= len(row.encode())
        if room < 0:
            break
        rows.append(row)
    more = len(found) - len(rows)
    return text + "".join(rows) + (_END.format(count(more, "row")) if more else "") + end


def _row(finding: Finding) -> str:
    why = "".join(f"<br>{_plain(line)}" for line in finding.why[:5])
    if finding.verdict == FAILS and finding.repeat:
        why += f"<br>{_code(finding.repeat)}"
    cells = [_SIGNS.get(finding.verdict, ""), _plain(finding.name) + why]
    cells += [_plain(text) for text in (finding.check, finding.error, finding.bound, finding.margin)]
    return f"| {' | '.join(cells)} |\n"


def _plain(text: str) -> str:
    """Text that Markdown, and HTML within it, take as nothing but text."""
    return _SPECIAL.sub(r"\\\1", html.escape(shown(text, 2000), quote=False))


def _code(text: str) -> str:
    """The same as code: an element, for no fence of backticks holds a stranger's backticks within a table."""
    return f"<code>{_plain(text)}</code>"
