"""Results to one page: a single file that loads nothing, runs nothing, and reads the same offline in ten years."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateRuntimeError
from markupsafe import Markup, escape

from harness.results import Case, Results
from reports import curves, heat, matrix, text, timings
from reports.changes import changes
from reports.graph import graph
from reports.kept import kept
from reports.verdict import left_out, tallies, verdict

BUDGET = 1_300_000
"""Bytes that the cases may take together; what is left out for it says so and is whole in the JSON."""
BARE, ROW, TABLE, CURVES = range(4)
_FEW = 2000
"""With more cases than these a browser takes its time: a row then opens to its repeat command and fingerprint alone."""
_FIRST = 20
"""So many cases get their curves before any other gets its table."""
_LAYERS, _CONVENTIONS = 40, 100
_TEMPLATES = Path(__file__).parent / "templates"


def page(results: Results, since: Results | None = None) -> str:
    """The whole page. `since`: an earlier run, whose differences are told first."""
    placed = matrix.layout(results.cases)
    layout = matrix.columns(placed)
    groups = _groups(results, placed)
    document = (
        environment()
        .get_template("page.html")
        .render(
            results=results,
            style=Markup(_style(len(layout), len(groups))),
            script=Markup(_source("page.js")),
            verdict=verdict(results),
            tallies=tallies(results),
            worst=matrix.worst(results),
            backends=matrix.backends(results),
            layout=layout,
            groups=groups,
            **_charts(results),
            timings=timings.tables(results.timings, results.roof),
            standing=timings.standing(results),
            left_out=left_out(results),
            graph=graph(results.port),
            changes=changes(since, results) if since else None,
            explained=[
                _explained(n, layer) for n, layer in enumerate(_mappings(results.explanation.get("layers"))[:_LAYERS])
            ],
        )
    )
    return str(document)


def _charts(results: Results) -> dict[str, Any]:
    """The drawings; matplotlib is imported where there is something to draw, which a port's page has not."""
    if not (results.timings or results.scaling or matrix.shares(results.cases)):
        return {"margins": None, "benchmarks": [], "roofline": None, "scaling": None}
    from reports import charts, roofline, scaling

    colours = charts.colours(results)
    return {
        "margins": charts.margins(results), "benchmarks": charts.benchmarks(results, colours),
        "roofline": roofline.roofline(results.timings, results.roof, colours),
        "scaling": scaling.scaling(results.scaling, colours),
    }  # fmt: skip


def _groups(results: Results, placed: Mapping[str, matrix.Column]) -> dict[str, list[Markup]]:
    """The cases of each group as finished markup: each has its row, then as many as the budget allows get their table
    and their curves, those first that deserve a look most."""
    anchors, backends = matrix.anchors(results.cases), matrix.backends(results)
    conventions = {row.id: n for n, row in enumerate(results.conventions[:_CONVENTIONS], 1)}
    template = environment().get_template("case.html")

    def drawn(case: Case, detail: int) -> Markup:
        return _compact(
            template.render(
                case=case,
                anchor=anchors[id(case)],
                placed=placed,
                backends=backends,
                conventions=conventions,
                detail=detail,
                alone=len(results.cases) == 1,
            )
        )

    ordered = matrix.by_need(results.cases)
    least = ROW if len(ordered) <= _FEW else BARE
    finished = {id(case): drawn(case, least) for case in ordered}
    # However many rows there are, the nearest to their bounds are drawn whole.
    left = max(BUDGET - sum(map(_size, finished.values())), BUDGET // 8)
    rest = ordered[_FIRST:]
    for detail, cases in ((CURVES, ordered[:_FIRST]), (TABLE, rest), (CURVES, rest)):
        for case in cases:
            if left <= 0:
                break
            markup = drawn(case, detail)
            more = _size(markup) - _size(finished[id(case)])
            if more <= left:
                finished[id(case)], left = markup, left - more
    return {group: [finished[id(case)] for case in cases] for group, cases in matrix.groups(results.cases).items()}


def _compact(markup: str) -> Markup:
    return Markup("\n".join(line for raw in markup.splitlines() if (line := raw.strip())))


def _size(markup: Markup) -> int:
    return len(markup.encode())


def _texts(value: object) -> Sequence[object]:
    return value if isinstance(value, list | tuple) else [value]


def _mappings(value: object) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list | tuple) else []


def _explained(n: int, layer: Mapping[str, Any]) -> Markup:
    """A layer's explanation with its two pictures; a bare list where a stranger's JSON does not hold what they need."""
    from reports import drawing

    try:
        pictures = {"step": drawing.step(layer, f"step{n}"), "over_time": drawing.over_time(layer, f"time{n}")}
        return _compact(environment().get_template("explained_layer.html").render(layer=layer, **pictures))
    except (KeyError, TypeError, AttributeError, ValueError, IndexError, OverflowError, TemplateRuntimeError):
        return _compact(environment().get_template("facts.html").render(facts=layer))


def policy_hash(text: str) -> str:
    """How a content security policy names a style or a script."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _style(checks: int, groups: int) -> str:
    """The style sheet, with a rule for each part that can be shown alone. Where the matrix fits, its head stays."""
    alone = [f"body:has(#in-{n}:checked) .group:not(.g{n}){{display:none}}" for n in range(1, groups + 1)]
    fits = f"@media (min-width:{20 + 5 * checks}rem)"
    stays = ".matrix{overflow:visible}.head{position:sticky;top:2.75rem;z-index:3}"
    rules = [stylesheet(), f":root{{--checks:{max(1, checks)}}}", *alone, f"{fits}{{{stays}}}"]
    return "\n".join([*rules, ""])


def stylesheet() -> str:
    return _source("page.css")


@cache
def _source(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")


@cache
def environment() -> Environment:
    """Where every template is rendered: what it puts out is cleaned and escaped."""
    made = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        finalize=_clean,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        bytecode_cache=kept(Path(__file__)),
    )
    made.filters |= {
        "prose": lambda value: Markup(escape(text.shown(value, text.PROSE))),
        "policy_hash": policy_hash,
        "figure": text.figure,
        "margin": text.margin,
        "duration": text.duration,
        "flat": text.flat,
        "grouped": text.grouped,
        "texts": _texts,
    }
    made.globals |= {
        "measured": text.measured,
        "count": text.count,
        "table": text.columns,
        "cells": matrix.cells,
        "distinct_bounds": matrix.distinct_bounds,
        "by_check": matrix.by_check,
        "nearness": matrix.nearness,
        "reasons": matrix.reasons,
        "shared_reason": matrix.shared_reason,
        "curves": matrix.curves,
        "heat_maps": heat.maps,
        "panels": curves.panels,
        "spread": curves.spread,
        "divergence_steps": lambda d: [n for n in (1, 10, len(d.mapped)) if n <= len(d.mapped)],
    }
    return made


def _clean(value: object) -> object:
    """Whatever a template puts out: markup as it is, anything else as one clean line, which is then escaped."""
    return value if hasattr(value, "__html__") else text.shown(value)
