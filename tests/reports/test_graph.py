"""The graph of a port: every node and edge, each layer's fate, and nothing that a stranger's JSON could break."""

from __future__ import annotations

import re
from typing import Any

import pytest

from reports.graph import graph


def port(**changed: Any) -> dict[str, Any]:
    layers = [
        {"name": "lstm_1", "class": "LSTM(5)", "module": "LSTM", "fate": "ported"},
        {"name": "theirs", "class": "TheirLayer", "module": "", "fate": "refused: its author's own"},
    ]
    nodes = [
        {"name": "lstm_1", "layer": "lstm_1", "inputs": ["words"]},
        {"name": "again", "layer": "lstm_1", "inputs": ["lstm_1"]},
        {"name": "theirs", "layer": "theirs", "inputs": ["again", "words"]},
    ]
    inputs = [{"name": "words", "shape": "(any, 20)"}]
    return {"layers": layers, "graph": nodes, "inputs": inputs, "outputs": ["theirs"], **changed}


def test_every_node_has_its_box_and_every_input_its_edge() -> None:
    drawn = graph(port())
    assert re.findall(r'<rect class="(\w+)"', drawn) == ["input", "ported", "ported", "refused"]
    assert drawn.count('class="edge"') == 4
    assert ">(any, 20)<" in drawn and "lstm_1: LSTM(5)" in drawn and "→ LSTM, ported" in drawn, (
        "a shared layer is named"
    )
    assert "theirs from again, words" in drawn, "the drawing is said in words"
    heights = [int(y) for y in re.findall(r'<rect class="\w+" x="\d+" y="(\d+)"', drawn)]
    assert heights == sorted(heights) and len(set(heights)) == 4, "what comes after stands below"
    assert drawn.count(">output<") == 1


@pytest.mark.parametrize(
    "changed",
    [
        {"graph": 5}, {"graph": [1]}, {"layers": []}, {"layers": "no"}, {"outputs": None}, {"inputs": [{}]},
        {"graph": [{"name": "a", "layer": "lstm_1", "inputs": 3}]}, {"graph": []},
    ],
)  # fmt: skip
def test_what_is_no_graph_is_not_drawn(changed: dict[str, Any]) -> None:
    assert graph(port(**changed)) == ""


def test_a_circle_ends() -> None:
    nodes = [{"name": n, "layer": "lstm_1", "inputs": [m]} for n, m in (("a", "b"), ("b", "a"))]
    assert graph(port(graph=nodes)).count("<rect") == 2


def test_a_graph_too_large_to_draw_says_so() -> None:
    nodes = [{"name": str(n), "layer": "lstm_1", "inputs": [str(n - 1)]} for n in range(1, 500)]
    assert "500 nodes" in graph(port(graph=nodes))


def test_hostile_names_are_text() -> None:
    name = "</text><script>\x1b\u202e"
    nodes = [{"name": name, "layer": "lstm_1", "inputs": [name * 2]}]
    drawn = graph(port(graph=nodes, outputs=[name]))
    assert "<script" not in drawn and "\x1b" not in drawn and "\u202e" not in drawn
