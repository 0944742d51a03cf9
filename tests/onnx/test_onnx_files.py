"""An ONNX model as a file and an interface: names, open sizes, states, precision, and what is refused by name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from graph_models import of_operation
from judged import SIZES, alone
from portables import layer_weights
from recurrent_models import CELLS, of_images
from whole_models import at, tagger

import weight_mapping as wm
from harness.backends.ported_onnx import outputs
from harness.backends.runtime_onnx import session
from harness.problems import sized
from harness.rows import both_ways, run
from weight_mapping import oracle
from weight_mapping.activations import activation
from weight_mapping.errors import PortingError, Unrepresentable, Unsupported
from weight_mapping.onnx import model, save, to_onnx
from weight_mapping.plain import plain
from weight_mapping.probe import probe
from weight_mapping.spec import Custom, Input, Operation, Slot, chain
from weight_mapping.weights import Portable


def names(found: onnx.ModelProto) -> Iterator[str]:
    """Every name that a model gives, those inside loops too."""
    yield from (one.name for one in (*found.graph.input, *found.graph.initializer))
    waiting = [found.graph]
    while waiting:
        for node in waiting.pop().node:
            yield from node.output
            for attribute in node.attribute:
                if attribute.HasField("g"):
                    yield from (one.name for one in attribute.g.input)
                    waiting.append(attribute.g)


def hostile(name: str) -> Portable:
    dense = plain("dense", units=2)
    spec = chain(name, Input(name=name, shape=(None, 3)), {name: dense, f"{name} ": dense})
    weights = {(name,): {"kernel": np.ones((3, 2)), "bias": np.ones(2)}}
    return Portable(spec=spec, weights={**weights, (f"{name} ",): {"kernel": np.ones((2, 2)), "bias": np.zeros(2)}})


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "a\x1b[31mb", "<img src=x>", "\u202eé", "x" * 10_000, "0"])
def test_names_are_identifiers_and_given_once(name: str) -> None:
    found = to_onnx(hostile(name))
    given = list(names(found))
    assert all(re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,70}", one) for one in given)
    assert len(set(given)) == len(given)
    said = {text for node in found.graph.node for text in (node.name, node.doc_string)}
    assert all(text.isprintable() and len(text) < 300 for text in said)


def test_open_sizes_stay_open() -> None:
    found = to_onnx(tagger()).graph.input[0]
    assert [size.dim_param for size in found.type.tensor_type.shape.dim] == ["batch", f"{found.name}_1"]
    for batch, steps in ((1, 1), (2, 5), (7, 40)):
        ids = np.random.default_rng(0).integers(0, 7, (batch, steps)).astype(np.float32)
        y = outputs(tagger(), [ids], "float32")[0]
        np.testing.assert_allclose(y, oracle.run(tagger(), ids), rtol=0, atol=1e-6)


def test_ids_may_be_whole_numbers() -> None:
    portable = tagger()
    (one,) = portable.spec.inputs
    for dtype, kind in (("int32", 6), ("int64", 7), ("uint8", 7), ("float16", 1)):
        spec = replace(portable.spec, inputs=(replace(one, dtype=dtype),))
        assert to_onnx(replace(portable, spec=spec)).graph.input[0].type.tensor_type.elem_type == kind
    with pytest.raises(Unsupported, match="an input of string"):
        to_onnx(replace(portable, spec=replace(portable.spec, inputs=(replace(one, dtype="string"),))))
    with pytest.raises(Unsupported, match="number of axes"):
        to_onnx(replace(portable, spec=replace(portable.spec, inputs=(replace(one, shape=None),))))


@pytest.mark.parametrize("both", [False, True])
def test_the_states_of_a_stateful_layer_go_out_and_in_again(both: bool, tmp_path: Path) -> None:
    """Left out they are zero; fed with what came out, the next batch goes on."""
    cell, how = CELLS["lstm"], {"stateful": True, "return_state": False}
    portable = alone(both_ways(cell, "concat", **how) if both else run(cell, **how))
    save(portable, tmp_path / "model.onnx")
    ran = session(str(tmp_path / "model.onnx"))
    states = [one.name for one in ran.get_overridable_initializers()]
    assert len(states) == (4 if both else 2) and [one.name for one in ran.get_inputs()] == ["x"]
    x = probe(portable.spec)[0]
    expected, final = oracle.run_with_states(portable, x)
    y, *after = ran.run(None, {"x": x})
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-6)
    second, *_ = ran.run(None, {"x": x, **dict(zip(states, after, strict=True))})
    np.testing.assert_allclose(second, oracle.run(portable, x, states=final), rtol=0, atol=1e-6)
    assert np.abs(second - y).max() > 1e-3


def test_float64_is_the_model_s_when_asked_for() -> None:
    portable = alone(run(CELLS["gru"]))
    for dtype, kind in (("float32", onnx.TensorProto.FLOAT), ("float64", onnx.TensorProto.DOUBLE)):
        found = to_onnx(portable, dtype=dtype)
        assert {array.data_type for array in found.graph.initializer} <= {kind, onnx.TensorProto.INT64}
        assert found.graph.input[0].type.tensor_type.elem_type == kind
    with pytest.raises(PortingError, match="float16"):
        to_onnx(portable, dtype="float16")


def _mixed_gate() -> Portable:
    return alone(run(replace(CELLS["lstm"], recurrent_activation=activation("glu"))))


def _stateful_images() -> Portable:
    portable = of_images()
    layer = replace(portable.spec.layers["layer"], stateful=True)  # type: ignore[type-var]
    return replace(portable, spec=replace(portable.spec, layers={"layer": layer}))


def _with_operation(operation: Operation) -> Portable:
    portable = of_operation("add")
    return replace(portable, spec=replace(portable.spec, layers={**portable.spec.layers, "op": operation}))


REFUSED: dict[str, Any] = {
    "layer: Theirs is its author's own": lambda: Portable(
        spec=chain("m", Input(name="x", shape=(None, 4)), {"layer": Custom(class_name="Theirs")}), weights={}),
    "layer: the activation glu.* mixes the places": _mixed_gate,
    "layer: a stateful ConvLSTM": _stateful_images,
    "layer: an image of open size": lambda: Portable(
        spec=chain("m", Input(name="x", shape=(None, None, 4, 1)), {
            "layer": plain("up_sampling", interpolation="bicubic")}), weights={}),
    "op: a size that only a run tells": lambda: _with_operation(
        Operation(name="split", arguments=(Slot(0), 2), keywords=(("axis", 0),))),
    "op: ONNX's Einsum does not take this": lambda: _with_operation(
        Operation(name="einsum", arguments=("b,ti->q", Slot(0), Slot(1)))),
    "op: indexing by a tensor": lambda: _with_operation(
        Operation(name="get_item", arguments=(Slot(0), (Slot(1),)))),
}  # fmt: skip


@pytest.mark.parametrize("words", REFUSED)
def test_a_refusal_is_by_name_with_a_way_out_and_leaves_nothing(words: str, tmp_path: Path) -> None:
    with pytest.raises(Unsupported, match=words) as refused:
        save(REFUSED[words](), tmp_path / "model.onnx")
    assert refused.value.way_out
    assert not list(tmp_path.iterdir())


def test_the_core_says_who_writes_onnx(tmp_path: Path) -> None:
    with pytest.raises(PortingError, match=r"weight_mapping\.onnx\.save"):
        wm.save(tagger(), tmp_path / "model.onnx")


def test_more_than_a_file_holds_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(model, "_LARGEST", 100)
    with pytest.raises(Unrepresentable, match="more weights than one ONNX file holds"):
        save(tagger(), tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("broken", ["checker", "reading"])
def test_a_file_that_is_not_what_was_to_be_written_does_not_stay(
    broken: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "model.onnx").write_text("the old one")

    def check(*_: Any, **__: Any) -> None:
        raise onnx.checker.ValidationError("no model")

    if broken == "checker":
        monkeypatch.setattr(onnx.checker, "check_model", check)
    else:
        monkeypatch.setattr(onnx, "load", lambda *_, **__: onnx.ModelProto())
    with pytest.raises((PortingError, onnx.checker.ValidationError)):
        save(tagger(), tmp_path / "model.onnx")
    assert (tmp_path / "model.onnx").read_text() == "the old one" and len(list(tmp_path.iterdir())) == 1


def test_a_layer_that_is_called_twice_has_its_weights_once() -> None:
    layer = sized(run(CELLS["lstm"], return_state=False), SIZES._replace(input=5))
    weights = at(("a",), dict(layer_weights(layer, 5)))  # type: ignore[arg-type]
    spec = chain("twice", Input(name="x", shape=(None, None, 5)), {"a": layer})
    again = replace(spec.nodes[0], name="b", inputs=(replace(spec.outputs[0]),))
    spec = replace(spec, nodes=(*spec.nodes, again), outputs=(replace(spec.outputs[0], node="b"),))
    found = to_onnx(Portable(spec=spec, weights=weights))
    kinds = [node.op_type for node in found.graph.node]
    assert kinds.count("LSTM") == 2
    assert sum(array.data_type == onnx.TensorProto.FLOAT for array in found.graph.initializer) == 3
