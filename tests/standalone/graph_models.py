"""Models around recurrent layers: every plain kind, operations as nodes, shared and nested models, golden files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from plain_cases import CASES as PLAIN
from portables import layer_weights, plain_weights
from whole_models import at, encoder_decoder, tagger

import weight_mapping as wm
from harness.problems import Sizes, sized
from harness.rows import LSTM, run
from weight_mapping.activations import activation
from weight_mapping.plain import plain
from weight_mapping.spec import Input, ModelSpec, Node, Operation, Recurrent, Ref, Slot, TimeDistributed, chain
from weight_mapping.weights import LeafWeights, Portable

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
SEQUENCE = (None, None, 3)
X, Y = Slot(0), Slot(1)
_ALL = slice(None)


def of_plain(name: str) -> Portable:
    """A plain layer alone; where it reads masks, a Masking in front of every input makes them."""
    case = PLAIN[name]
    inputs = tuple(Input(name=f"x{n}", shape=(None, *shape[1:])) for n, shape in enumerate(case.shapes))
    masking = [f"masking{n}" for n in range(len(inputs))] if case.masks else []
    front = [Node(name=m, layer=m, inputs=(Ref(f"x{n}"),)) for n, m in enumerate(masking)]
    given = tuple(Ref(m) for m in masking or [one.name for one in inputs])
    spec = ModelSpec(
        name=name, inputs=inputs, layers={**{m: plain("masking") for m in masking}, "layer": case.layer},
        nodes=(*front, Node(name="layer", layer="layer", inputs=given)), outputs=(Ref("layer"),),
    )  # fmt: skip
    weights = plain_weights(case.layer, case.sizes)
    return Portable(spec=spec, weights={("layer",): weights} if weights else {})


def _operation(name: str, /, *arguments: Any, **keywords: Any) -> Operation:
    return Operation(name=name, arguments=arguments, keywords=tuple(keywords.items()))


_OF_TWO = ("add", "subtract", "multiply", "divide", "maximum", "minimum", "less", "logical_and")
_OF_ONE = ("negative", "abs", "exp", "tanh", "softmax", "silu", "softplus", "relu6")
OPERATIONS: Mapping[str, Operation] = {
    **{name: _operation(name, X, Y) for name in _OF_TWO},
    **{f"{name} of a number": _operation(name, X, 0.5) for name in ("add", "divide", "greater", "maximum")},
    **{f"{name} from a number": _operation(name, 0.5, X) for name in ("subtract", "multiply", "less_equal")},
    **{name: _operation(name, X) for name in _OF_ONE},
    **{f"{name} over {axis}": _operation(name, X, axis=axis) for name in ("sum", "mean", "max") for axis in (1, -1)},
    "power": _operation("power", X, 3),
    "clip": _operation("clip", X, -0.5, 0.5),
    "item": _operation("get_item", X, (_ALL, -1, None, Ellipsis)),
    "slice": _operation("get_item", X, (_ALL, slice(1, None, 2))),
    "reshape": _operation("reshape", X, newshape=(-1, 6)),
    "transpose": _operation("transpose", X, perm=(0, 2, 1)),
    "expand": _operation("expand_dims", X, -1),
    "concatenate": _operation("concatenate", (X, Y), axis=1),
    "stack": _operation("stack", [X, Y], axis=1),
    "matmul": _operation("matmul", X, Y, transpose_b=True),
    "einsum": _operation("einsum", X, Y, subscripts="bti,bsi->bts"),
    "cast to int": _operation("cast", X, "int32"),
    "cast to bool": _operation("cast", X, "bool"),
    "cast to float": _operation("cast", X, "float32"),
    "flip": _operation("flip", X, axis=1),
    "round": _operation("round", X),
    "std": _operation("std", X, axis=1),
    "l2_normalize": _operation("l2_normalize", X, axis=-1),
    "cumsum": _operation("cumsum", X, axis=1),
    "argmax": _operation("argmax", X, axis=-1),
    "take": _operation("take", X, [2, 0], axis=1),
    "pad": _operation("pad", X, [[0, 0], [1, 2], [0, 0]]),
    "repeat": _operation("repeat", X, 2, axis=1),
    "roll": _operation("roll", X, 1, axis=1),
    "one_hot": _operation("one_hot", X, 3),
}


def of_operation(name: str) -> Portable:
    """The operation on two inputs, and a Dense beside it, so that the model has weights."""
    dense = plain("dense", units=3)
    spec = ModelSpec(
        name=name, inputs=tuple(Input(name=n, shape=(None, 10, 6)) for n in ("a", "b")),
        layers={"op": OPERATIONS[name], "dense": dense},
        nodes=(
            Node(name="op", layer="op", inputs=(Ref("a"), Ref("b"))),
            Node(name="dense", layer="dense", inputs=(Ref("a"),)),
        ),
        outputs=(Ref("op"), Ref("dense")),
    )  # fmt: skip
    return Portable(spec=spec, weights={("dense",): plain_weights(dense, {"i": 6})})


def shared_and_nested() -> Portable:
    """One layer called twice, and a model that holds a model, called twice too, with parts named alike; an input that
    is an output."""
    lstm = _lstm(3, 3)
    dense = plain("dense", units=3, activation=activation("elu"))
    inner = chain("inner", Input(name="x", shape=SEQUENCE), {"lstm": lstm, "dense": dense})
    middle = chain("middle", Input(name="x", shape=SEQUENCE), {"inner": inner, "lstm": lstm})
    calls = {"m1": ("middle", "a"), "m2": ("middle", "b"), "l1": ("lstm", "m1"), "l2": ("lstm", "l1")}
    spec = ModelSpec(
        name="outer", inputs=(Input(name="a", shape=SEQUENCE), Input(name="b", shape=SEQUENCE)),
        layers={"middle": middle, "lstm": lstm, "add": plain("add"), "dense": dense},
        nodes=(
            *(Node(name=name, layer=layer, inputs=(Ref(x),)) for name, (layer, x) in calls.items()),
            Node(name="add", layer="add", inputs=(Ref("l2"), Ref("m2"), Ref("a"))),
            Node(name="dense", layer="dense", inputs=(Ref("add"),)),
        ),
        outputs=(Ref("dense"), Ref("l1"), Ref("a")),
    )  # fmt: skip
    weights: dict[Any, LeafWeights] = {}
    for seed, path in enumerate([("middle", "inner", "lstm"), ("middle", "lstm"), ("lstm",)]):
        weights |= at(path, dict(layer_weights(lstm, 3, seed=seed)))
    for seed, path in enumerate([("middle", "inner", "dense"), ("dense",)]):
        weights[path] = plain_weights(dense, {"i": 3}, seed=seed)
    return Portable(spec=spec, weights=weights)


def model_on_every_step() -> Portable:
    lstm, dense = replace(_lstm(4, 5), return_sequences=False), plain("dense", units=2)
    inner = chain("inner", Input(name="x"), {"lstm": lstm, "dense": dense})
    weights = {
        **at(("layer", "layer", "lstm"), dict(layer_weights(lstm, 4))),
        ("layer", "layer", "dense"): plain_weights(dense, {"i": 5}),
    }  # fmt: skip
    spec = chain("steps", Input(name="x", shape=(None, 3, 6, 4)), {"layer": TimeDistributed(layer=inner)})
    return Portable(spec=spec, weights=weights)


def masks_that_meet() -> Portable:
    """Two masked branches joined along the features, then what reads the mask that they share."""
    lstm = _lstm(6, 5)
    calls = {"ma": ("mask", "a"), "mb": ("mask", "b")}
    spec = ModelSpec(
        name="meet", inputs=(Input(name="a", shape=SEQUENCE), Input(name="b", shape=SEQUENCE)),
        layers={
            "mask": plain("masking"), "join": plain("concatenate"), "lstm": lstm,
            "mean": plain("global_pool", op="avg", rank=1),
        },
        nodes=(
            *(Node(name=name, layer=layer, inputs=(Ref(x),)) for name, (layer, x) in calls.items()),
            Node(name="join", layer="join", inputs=(Ref("ma"), Ref("mb"))),
            Node(name="lstm", layer="lstm", inputs=(Ref("join"),)),
            Node(name="mean", layer="mean", inputs=(Ref("lstm"),)),
        ),
        outputs=(Ref("lstm"), Ref("mean")),
    )  # fmt: skip
    return Portable(spec=spec, weights=at(("lstm",), dict(layer_weights(lstm, 6))))


def two_models() -> Portable:
    """`encoder_decoder` with its inputs' sizes."""
    portable = encoder_decoder()
    inputs = (Input(name="source", shape=(None, None, 4)), Input(name="target", shape=(None, None, 6)))
    return replace(portable, spec=replace(portable.spec, inputs=inputs))


def _lstm(width: int, units: int) -> Recurrent:
    layer = sized(run(LSTM, return_state=False), Sizes(3, 10, width, units))
    assert isinstance(layer, Recurrent)
    return layer


def _golden() -> Iterator[tuple[str, Callable[[], Portable]]]:
    for recording in sorted(GOLDEN.rglob("*.npz")):
        for path in (recording.with_suffix(suffix) for suffix in (".h5", ".keras")):
            if path.exists():
                yield f"golden {path.relative_to(GOLDEN)}", partial(wm.load, path)


_WHOLE = (tagger, two_models, shared_and_nested, model_on_every_step, masks_that_meet)
GRAPHS: Mapping[str, Callable[[], Portable]] = {
    **{f"plain {name}": partial(of_plain, name) for name in PLAIN},
    **{f"operation {name}": partial(of_operation, name) for name in OPERATIONS},
    **{build.__name__: build for build in _WHOLE},
    **dict(_golden()),
}
