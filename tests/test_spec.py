"""The neutral words: what a layer is made of, what it returns, how its parts are found and replaced."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from weight_mapping.plain import plain
from weight_mapping.spec import (
    Bidirectional,
    Cell,
    ConvCell,
    Custom,
    Input,
    ModelSpec,
    Node,
    Operation,
    Plain,
    Recurrent,
    Ref,
    TimeDistributed,
    chain,
    leaves,
    output_count,
    parts,
    with_leaves,
)

LSTM, GRU, RNN = (Cell(kind=kind, units=3) for kind in ("lstm", "gru", "rnn"))  # type: ignore[arg-type]
CONV = ConvCell(rank=1, units=3, kernel_size=(2,), strides=(1,), padding="same", dilation=(1,))
STACK = Recurrent(cells=(LSTM, GRU))
BOTH = Bidirectional(forward=Recurrent(cells=(LSTM,)), backward=Recurrent(cells=(RNN,), go_backwards=True))
DENSE, DROP = plain("dense", units=2), Custom(class_name="Theirs")
INNER = chain("inner", Input(name="i"), {"stack": STACK, "dense": DENSE})
MODEL = ModelSpec(
    name="m", inputs=(Input(name="x"),),
    layers={
        "inner": INNER, "both": BOTH, "each": TimeDistributed(layer=STACK), "conv": Recurrent(cells=(CONV,)),
        "op": Operation(name="add"), "own": DROP,
    },
    nodes=(Node(name="inner", layer="inner", inputs=(Ref("x"),)),), outputs=(Ref("inner"), Ref("inner"), Ref("x")),
)  # fmt: skip
LEAVES: dict[tuple[str, ...], Any] = {
    ("inner", "stack", "0"): LSTM, ("inner", "stack", "1"): GRU, ("inner", "dense"): DENSE,
    ("both", "forward", "0"): LSTM, ("both", "backward", "0"): RNN, ("each", "layer", "0"): LSTM,
    ("each", "layer", "1"): GRU, ("conv", "0"): CONV, ("own",): DROP,
}  # fmt: skip


def test_gates_and_states_of_a_cell() -> None:
    assert (LSTM.gates, GRU.gates, RNN.gates, CONV.gates) == ("ifco", "zrn", "n", "ifco")
    assert (LSTM.states, GRU.states, RNN.states, CONV.states) == (("h", "c"), ("h",), ("h",), ("h", "c"))
    assert STACK.state_count == 3


def test_every_leaf_has_its_path_in_the_order_of_keras() -> None:
    assert list(leaves(MODEL)) == list(LEAVES.items())
    assert list(leaves(LSTM)) == [((), LSTM)]
    assert [name for name, _ in parts(BOTH)] == ["forward", "backward"]
    assert list(parts(DENSE)) == list(parts(Operation(name="add"))) == []


@pytest.mark.parametrize("path", LEAVES, ids="/".join)
def test_a_leaf_is_replaced_in_its_place_and_nothing_else(path: tuple[str, ...]) -> None:
    old = LEAVES[path]
    new = (
        replace(old, units=9) if isinstance(old, Cell | ConvCell)
        else plain("dense", units=9) if isinstance(old, Plain) else Custom(class_name="Another")
    )  # fmt: skip
    changed = with_leaves(MODEL, {path: new})
    assert list(leaves(changed)) == list({**LEAVES, path: new}.items())
    assert (changed.nodes, changed.outputs, changed.inputs) == (MODEL.nodes, MODEL.outputs, MODEL.inputs)
    assert with_leaves(MODEL, {}) == MODEL


def test_a_chain_takes_each_layers_first_output() -> None:
    made = chain("m", Input(name="in", shape=(None, 3)), {"a": DENSE, "b": replace(STACK, return_state=True)})
    assert made.nodes == (
        Node(name="a", layer="a", inputs=(Ref("in"),)), Node(name="b", layer="b", inputs=(Ref("a"),)),
    )  # fmt: skip
    assert made.outputs == (Ref("b", 0), Ref("b", 1), Ref("b", 2), Ref("b", 3))
    assert made.sequential and made.name == "m" and made.inputs == (Input(name="in", shape=(None, 3)),)
    assert list(made.layers) == ["a", "b"]
    empty = chain("m", Input(name="in"), {})
    assert (empty.nodes, empty.outputs) == ((), (Ref("in"),))


def test_how_many_tensors_a_layer_returns() -> None:
    with_states = replace(STACK, return_state=True)
    assert [output_count(layer) for layer in (STACK, with_states, DENSE, MODEL, TimeDistributed(layer=STACK))] == [
        1, 4, 1, 3, 1,
    ]  # fmt: skip
    states = Bidirectional(forward=with_states, backward=replace(BOTH.backward, return_state=True))
    assert [output_count(layer) for layer in (BOTH, states)] == [1, 1 + 3 + 1]
    assert [output_count(replace(layer, merge="none")) for layer in (BOTH, states)] == [2, 2 + 3 + 1]


def test_a_layers_options_and_a_models_layers_can_not_be_written() -> None:
    given = {"units": 2}
    layer = Plain(kind="dense", options=given)
    given["units"] = 3
    assert layer.options == {"units": 2}
    with pytest.raises(TypeError):
        layer.options["units"] = 4  # type: ignore[index]
    with pytest.raises(TypeError):
        MODEL.layers["inner"] = DENSE  # type: ignore[index]
    assert hash(Plain(kind="k", options={"a": 1, "b": 2})) == hash(Plain(kind="k", options={"b": 2, "a": 1}))
    assert hash(Plain(kind="k", options={"a": 1})) != hash(Plain(kind="k", options={"a": 2}))
    assert hash(Plain(kind="k", options={"a": 1})) != hash(Plain(kind="j", options={"a": 1}))


def test_a_layer_of_its_authors_own_is_named_on_one_line() -> None:
    assert Custom(class_name="My\x1bLayer").refusal.startswith("My\\x1bLayer is its author's own")


def test_a_bidirectional_returns_sequences_as_its_forward_layer_does() -> None:
    assert not BOTH.return_sequences
    assert replace(BOTH, forward=replace(BOTH.forward, return_sequences=True)).return_sequences
