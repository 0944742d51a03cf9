"""A ported model as a graph: a box a node with its layer's fate, from the inputs at the top to the outputs below. Plain
SVG, drawn from the results of a port."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from reports.text import count, shown

_MANY = 80
_WIDE, _HIGH, _ACROSS, _DOWN, _EDGE = 264, 58, 28, 30, 8


def graph(port: Mapping[str, Any]) -> Markup:
    """The drawing; '' where a stranger's JSON holds no graph, and a sentence where it is too large to be one."""
    try:
        nodes = {str(n["name"]): n for n in port["graph"]}
        layers = {str(layer["name"]): layer for layer in port["layers"]}
        parents = {name: [str(i) for i in node["inputs"]] for name, node in nodes.items()}
        outputs = {str(name) for name in port["outputs"]}
        shapes = {str(i["name"]): str(i["shape"]) for i in port["inputs"]}
        boxes = {
            name: (name, "input", shapes.get(name, ""), "input")
            for names in parents.values()
            for name in names
            if name not in nodes
        }
        for name, node in nodes.items():
            boxes[name] = (name, *_told(layers[str(node["layer"])], str(node["layer"]), name))
    except (KeyError, TypeError, AttributeError):
        return Markup()
    if len(boxes) > _MANY:
        return Markup('<p class="quiet">{}: too many to draw; the table below has them all.</p>').format(
            count(len(boxes), "node")
        )
    return _drawn(boxes, parents, outputs) if nodes else Markup()


def _told(layer: Mapping[str, Any], name: str, node: str) -> tuple[str, str, str]:
    """The two lines below a node's name, what it is and what became of it, and the class of its box."""
    called = f"{name}: " if name != node else ""
    module = f"{layer['module']}, " if layer.get("module") else ""
    return (
        f"{called}{layer['class']}",
        f"→ {module}{layer['fate']}",
        "ported" if layer["fate"] == "ported" else "refused",
    )


def _drawn(
    boxes: Mapping[str, tuple[str, str, str, str]], parents: Mapping[str, Sequence[str]], outputs: set[str]
) -> Markup:
    rows = _rows(boxes, parents)
    widest = max(len(row) for row in rows)
    skips = any(_level(rows, child) - _level(rows, p) > 1 for child, own in parents.items() for p in own)
    width = _EDGE * 2 + widest * (_WIDE + _ACROSS) - _ACROSS + (44 if skips else 0)
    height = _EDGE * 2 + len(rows) * (_HIGH + _DOWN) - _DOWN + 16
    places: dict[str, tuple[int, int]] = {}
    for level, row in enumerate(rows):
        left = _EDGE + (widest - len(row)) * (_WIDE + _ACROSS) // 2
        places |= {name: (left + n * (_WIDE + _ACROSS), _EDGE + level * (_HIGH + _DOWN)) for n, name in enumerate(row)}
    edges = Markup().join(
        Markup('<path class="edge" d="{}"/>').format(_edge(places[parent], places[child]))
        for child, own in parents.items()
        for parent in own
    )
    drawn = Markup().join(_box(*box, *places[name], name in outputs) for name, box in boxes.items())
    said = "; ".join(
        f"{shown(child, 40)} from {', '.join(shown(p, 40) for p in own)}" for child, own in parents.items()
    )
    return Markup(
        '<figure><svg class="graph" width="{0}" viewBox="0 0 {0} {1}" role="img" aria-label="{2}">{3}{4}</svg></figure>'
    ).format(width, height, shown(f"The model as a graph: {said}", 1200), edges, drawn)


def _rows(boxes: Mapping[str, Any], parents: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """The nodes by how many others come before them at most; those of a circle, which is none of ours, stay on top."""
    depth = dict.fromkeys(boxes, 0)
    for _ in boxes:
        for name, own in parents.items():
            depth[name] = min(max((depth[p] + 1 for p in own), default=0), len(boxes))
    levels = sorted(set(depth.values()))
    return [[name for name in boxes if depth[name] == level] for level in levels]


def _level(rows: Sequence[Sequence[str]], name: str) -> int:
    return next(n for n, row in enumerate(rows) if name in row)


def _edge(above: tuple[int, int], below: tuple[int, int]) -> str:
    """From the foot of one box to the head of the other; past boxes between them on their right."""
    x0, y0, x1, y1 = above[0] + _WIDE // 2, above[1] + _HIGH, below[0] + _WIDE // 2, below[1]
    if y1 - y0 <= _DOWN:
        return f"M{x0} {y0}L{x1} {y1}"
    side = max(x0, x1) + _WIDE // 2 + 40
    return f"M{x0} {y0}C{side} {y0 + 10} {side} {y0 + 20} {side - 12} {(y0 + y1) // 2}S{side - 40} {y1 - 10} {x1} {y1}"


def _box(name: str, told: str, became: str, fate: str, x: int, y: int, output: bool) -> Markup:
    mark = (
        Markup('<text class="end" x="{}" y="{}">output</text>').format(x + _WIDE // 2, y + _HIGH + 14) if output else ""
    )
    return Markup(
        '<rect class="{0}" x="{1}" y="{2}" width="{3}" height="{4}" rx="6"/><text x="{5}" y="{6}">{7}</text>'
        '<text class="small" x="{5}" y="{8}">{9}</text><text class="small" x="{5}" y="{10}">{11}</text>{12}'
    ).format(
        *(fate, x, y, _WIDE, _HIGH, x + _WIDE // 2, y + 18, shown(name, 30), y + 34, shown(told, 38)),
        *(y + 49, shown(became, 42), mark),
    )
