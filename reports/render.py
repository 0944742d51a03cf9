"""Results to one page: a single file that loads nothing, runs nothing, and reads the same offline in ten years."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from harness.results import Results
from reports import charts, curves, drawing, matrix, text, timings
from reports.changes import changes
from reports.verdict import left_out, tallies, verdict

BUDGET = 1_360_000
"""Bytes that the cases may take together. The cases nearest to their bounds come first; once it is spent, the
rest are shown without their tables and drawings, and say so. They are whole in the JSON."""
_TEMPLATES = Path(__file__).parent / "templates"


def page(results: Results, since: Results | None = None) -> str:
    """The whole page. `since`: an earlier run, whose differences are told first."""
    placed = matrix.layout(results.cases)
    layout = matrix.columns(placed)
    style = f"{_style()}\n:root{{--checks:{max(1, len(layout))}}}\n"
    document = (
        _environment()
        .get_template("page.html")
        .render(
            results=results,
            style=Markup(style),  # noqa: S704 - the page's own style sheet, no data in it
            style_hash=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
            verdict=verdict(results),
            tallies=tallies(results),
            worst=matrix.worst(results),
            backends=matrix.backends(results),
            layout=layout,
            groups=_groups(results, placed),
            margins=charts.margins(results),
            benchmarks=charts.benchmarks(results.timings),
            timings=timings.tables(results.timings),
            left_out=left_out(results),
            changes=changes(since, results) if since else None,
            explained=[_explained(n, layer) for n, layer in enumerate(_mappings(results.explanation.get("layers")))],
        )
    )
    return str(document)


def _groups(results: Results, placed: Mapping[str, matrix.Column]) -> dict[str, list[Markup]]:
    """The cases of each group as finished markup, as much of each as the budget allows."""
    anchors, names = matrix.anchors(results.cases), matrix.backends(results)
    template, left, drawn = _environment().get_template("case.html"), BUDGET, {}
    facts = {"placed": placed, "backends": names}
    brief = {
        id(c): _compact(template.render(case=c, anchor=anchors[id(c)], whole=False, **facts)) for c in results.cases
    }
    left -= sum(map(_size, brief.values()))
    for case in matrix.by_need(results.cases):
        if left <= 0:
            break
        whole = _compact(template.render(case=case, anchor=anchors[id(case)], whole=True, **facts))
        left -= _size(whole) - _size(brief[id(case)])
        if left > 0:
            drawn[id(case)] = whole
    return {
        group: [drawn.get(id(case), brief[id(case)]) for case in cases]
        for group, cases in matrix.groups(results.cases).items()
    }


def _compact(markup: str) -> Markup:
    return Markup("\n".join(line for raw in markup.splitlines() if (line := raw.strip())))  # noqa: S704 - rendered above


def _size(markup: Markup) -> int:
    return len(markup.encode())


def _mappings(value: object) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list | tuple) else []


def _explained(n: int, layer: Mapping[str, Any]) -> dict[str, Any]:
    """A layer's explanation with its two pictures; without them where a stranger's JSON does not hold what they need."""
    try:
        return {"layer": layer, "step": drawing.step(layer, f"step{n}"), "time": drawing.over_time(layer, f"time{n}")}
    except (KeyError, TypeError, AttributeError, ValueError, IndexError):
        return {"layer": layer, "step": None, "time": None}


@cache
def _style() -> str:
    return (_TEMPLATES / "page.css").read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        finalize=_clean,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "prose": lambda value: Markup(escape(text.shown(value, text.PROSE))),  # noqa: S704 - escaped
        "figure": text.figure,
        "margin": text.margin,
        "duration": text.duration,
        "flat": text.flat,
        "mappings": _mappings,
    }
    environment.globals |= {
        "measured": text.measured,
        "count": text.count,
        "table": text.columns,
        "cells": matrix.cells,
        "same": matrix.same_bound,
        "by_check": matrix.by_check,
        "nearness": matrix.nearness,
        "reasons": matrix.reasons,
        "shared_reason": matrix.shared_reason,
        "curves": matrix.curves,
        "panels": curves.panels,
        "spread": curves.spread,
    }
    return environment


def _clean(value: object) -> object:
    """Whatever a template puts out, last of all: markup as it is, anything else as one clean line, escaped after this."""
    return value if hasattr(value, "__html__") else text.shown(value)
