"""Layers in the order in which Keras finds their weights. Every order here is that of `model.layers` of Keras 3.15 and
of tf_keras 2.21 for that graph, inputs left out."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from weight_mapping.keras_config.order import in_keras_order
from weight_mapping.plain import plain
from weight_mapping.spec import Cell, Input, Layer, ModelSpec, Node, Recurrent, Ref, TimeDistributed, chain

DENSE = plain("dense", units=3)
Calls = Mapping[str, tuple[str, tuple[str, ...]]]
"""Node: (its layer, the nodes that it takes from)."""


def graph(calls: Calls, *outputs: str, layers: Mapping[str, Layer] | None = None) -> ModelSpec:
    names = sorted({layer for layer, _ in calls.values()})
    return ModelSpec(
        name="m", inputs=(Input(name="x"), Input(name="y")), layers=dict.fromkeys(names, DENSE) | dict(layers or {}),
        nodes=tuple(
            Node(name=node, layer=layer, inputs=tuple(map(Ref, taken))) for node, (layer, taken) in calls.items()
        ),
        outputs=tuple(map(Ref, outputs)),
    )  # fmt: skip


def alone(**taken: tuple[str, ...]) -> Calls:
    """Every layer called once, under its own name."""
    return {name: (name, inputs) for name, inputs in taken.items()}


GRAPHS: Mapping[str, tuple[ModelSpec, list[str]]] = {
    "a chain against the alphabet": (graph(alone(c=("x",), a=("c",), b=("a",)), "b"), ["c", "a", "b"]),
    "branches in the order in which they are joined": (
        graph(alone(z=("x",), b=("z",), c=("x",), a=("b", "c")), "a"), ["z", "b", "c", "a"],
    ),
    "and the other way round": (graph(alone(z=("x",), b=("z",), c=("x",), a=("c", "b")), "a"), ["z", "c", "b", "a"]),
    "the longest way counts": (
        graph(alone(d=("x",), c=("d",), b=("c", "d"), a=("b", "d")), "a"), ["d", "c", "b", "a"],
    ),
    "a layer that is called twice stands where it is first needed": (
        graph({"s": ("s", ("x",)), "b": ("b", ("s",)), "s#1": ("s", ("b",)), "a": ("a", ("y",)),
               "j": ("j", ("a", "s#1"))}, "j"),
        ["s", "b", "a", "j"],
    ),
    "also where its later call is met first": (
        graph({"s": ("s", ("x",)), "b": ("b", ("s",)), "s#1": ("s", ("b",)), "a": ("a", ("y",)),
               "j": ("j", ("s#1", "a"))}, "j"),
        ["s", "b", "a", "j"],
    ),
    "also where its calls have nothing to do with each other": (
        graph({"s": ("s", ("x",)), "b": ("b", ("s",)), "a": ("a", ("b",)), "s#1": ("s", ("y",)),
               "j": ("j", ("s#1", "a"))}, "j"),
        ["s", "b", "a", "j"],
    ),
    "two outputs": (graph(alone(c=("x",), b=("c",), a=("c",)), "b", "a"), ["c", "b", "a"]),
    "two outputs, the other one first": (graph(alone(c=("x",), b=("c",), a=("c",)), "a", "b"), ["c", "a", "b"]),
    "outputs of unlike depth": (graph(alone(c=("x",), b=("c",), a=("x",)), "a", "b"), ["c", "a", "b"]),
    "what no call reaches comes last": (
        graph(alone(c=("x",), b=("c",)), "b", layers={"a": DENSE, "0": DENSE}), ["c", "b", "a", "0"],
    ),
    "what no output needs comes last": (graph(alone(c=("x",), b=("c",), a=("c",)), "b"), ["c", "b", "a"]),
}  # fmt: skip


@pytest.mark.parametrize("name", GRAPHS)
def test_layers_are_in_keras_order(name: str) -> None:
    spec, expected = GRAPHS[name]
    ordered = in_keras_order(spec)
    assert list(ordered.layers) == expected
    assert ordered.layers == spec.layers and ordered.nodes == spec.nodes and ordered.outputs == spec.outputs


LSTM = Recurrent(cells=(Cell(kind="lstm", units=3),), return_sequences=True)


@pytest.mark.parametrize("role", ["initial_state", "mask"])
def test_states_and_masks_are_inputs_as_well(role: str) -> None:
    """The layers that they come from lie before the one that takes them, though no input of it does."""
    given = {"initial_state": (Ref("h"), Ref("c"))} if role == "initial_state" else {"mask": Ref("h")}
    nodes = (
        Node(name="h", layer="h", inputs=(Ref("y"),)), Node(name="c", layer="c", inputs=(Ref("y"),)),
        Node(name="a", layer="a", inputs=(Ref("x"),), **given),  # type: ignore[arg-type]
    )  # fmt: skip
    spec = ModelSpec(
        name="m", inputs=(Input(name="x"), Input(name="y")), layers={"a": LSTM, "c": DENSE, "h": DENSE}, nodes=nodes,
        outputs=(Ref("a"),),
    )  # fmt: skip
    assert list(in_keras_order(spec).layers) == (["h", "c", "a"] if role == "initial_state" else ["h", "a", "c"])


SCRAMBLED = GRAPHS["a chain against the alphabet"][0]


def test_the_models_inside_are_put_in_order_too() -> None:
    inside = {"inner": SCRAMBLED, "each": TimeDistributed(layer=SCRAMBLED), "d": TimeDistributed(layer=DENSE)}
    outer = graph(alone(inner=("x",), each=("inner",), d=("each",)), "d", layers=inside)
    for spec in (outer, chain("m", Input(name="x"), inside)):
        ordered = in_keras_order(spec).layers
        assert list(ordered) == ["inner", "each", "d"] and ordered["d"] == inside["d"]
        inner, each = ordered["inner"], ordered["each"]
        assert isinstance(each, TimeDistributed) and isinstance(inner, ModelSpec) and isinstance(each.layer, ModelSpec)
        assert list(inner.layers) == list(each.layer.layers) == ["c", "a", "b"]


def test_a_sequential_s_order_is_its_own() -> None:
    spec = chain("m", Input(name="x"), {"b": DENSE, "a": DENSE, "c": DENSE})
    assert in_keras_order(spec) == spec and list(in_keras_order(spec).layers) == ["b", "a", "c"]
