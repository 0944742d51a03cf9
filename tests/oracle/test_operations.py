"""Operations as nodes: NumPy, torch, Keras 3 and TensorFlow compute the same, and unknown names are refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from drawn import error

from weight_mapping.errors import Unsupported
from weight_mapping.operations import apply
from weight_mapping.operations.table import KERAS3, NODE_OPS, ROWS, TF_FUNCTIONS
from weight_mapping.spec import Operation, Slot

torch = pytest.importorskip("torch")
A = np.random.default_rng(0).normal(size=(2, 3, 4)) + 0.1
B = np.random.default_rng(1).normal(size=(2, 3, 4))
POSITIVE = np.abs(A) + 0.1
X, Y = Slot(0), Slot(1)
TWO = ("add", "subtract", "multiply", "divide", "true_divide", "floor_divide", "mod", "maximum", "minimum")
COMPARED = ("equal", "not_equal", "greater", "greater_equal", "less", "less_equal")
ONE = ("negative", "abs", "sign", "exp", "square", "sin", "cos", "reciprocal", "identity", "shape", "logical_not")
ROUNDED = ("floor", "ceil", "round")
ACTIVATIONS = (
    "tanh", "sigmoid", "relu", "relu6", "leaky_relu", "elu", "selu", "gelu", "silu", "softplus", "softsign", "softmax",
    "hard_sigmoid", "log_sigmoid", "log_softmax",
)  # fmt: skip
REDUCED = {
    "sum": np.sum,
    "mean": np.mean,
    "max": np.max,
    "min": np.min,
    "prod": np.prod,
    "std": np.std,
    "variance": np.var,
}


def _with(name: str, /, *arguments: Any, **keywords: Any) -> Operation:
    return Operation(name=name, arguments=arguments, keywords=tuple(keywords.items()))


Case = tuple[Operation, list[Any], Any]
CASES: dict[str, Case] = {
    **{name: (_with(name, X, Y), [A, B], None) for name in (*TWO, *COMPARED)},
    **{f"{name} of a number": (_with(name, X, 0.5), [A], None) for name in (*TWO, *COMPARED)},
    **{f"{name} from a number": (_with(name, 0.5, X), [A], None) for name in (*TWO, *COMPARED)},
    **{name: (_with(name, X), [A], None) for name in (*ONE, *ACTIVATIONS)},
    **{name: (_with(name, X), [POSITIVE], getattr(np, name)(POSITIVE)) for name in ("log", "log1p", "sqrt")},
    "rsqrt": (_with("rsqrt", X), [POSITIVE], 1 / np.sqrt(POSITIVE)),
    **{name: (_with(name, X), [4 * A], getattr(np, name)(4 * A)) for name in ROUNDED},
    "norm": (_with("norm", X, ord="euclidean", axis=1), [A], np.linalg.norm(A, axis=1)),
    "normalize": (_with("normalize", X, axis=-1, order=2), [A], A / np.linalg.norm(A, axis=-1, keepdims=True)),
    "l2_normalize": (_with("l2_normalize", X, axis=1), [A], A / np.linalg.norm(A, axis=1, keepdims=True)),
    "l2_normalize of next to nothing": (_with("l2_normalize", X, -1), [A * 1e-9], A * 1e-3),
    "cumsum": (_with("cumsum", X, axis=1), [A], A.cumsum(1)),
    "argmax": (_with("argmax", X, axis=1), [A], A.argmax(1)),
    "argmax, axis kept": (_with("argmax", X, axis=2, keepdims=True), [A], A.argmax(2)[..., None]),
    "take": (_with("take", X, indices=[2, 0], axis=1, batch_dims=0), [A], A[:, [2, 0]]),
    "take one": (_with("take", X, 1, axis=-1), [A], A[..., 1]),
    "pad": (_with("pad", X, paddings=[[0, 0], [1, 2], [0, 1]]), [A], np.pad(A, [(0, 0), (1, 2), (0, 1)])),
    "repeat": (_with("repeat", X, repeats=2, axis=1), [A], A.repeat(2, 1)),
    "roll": (_with("roll", X, shift=2, axis=1), [A], np.roll(A, 2, 1)),
    "roll back": (_with("roll", X, shift=-1, axis=2), [A], np.roll(A, -1, 2)),
    "one_hot": (_with("one_hot", X, depth=3), [np.array([[0, 2], [1, 3]])], np.eye(4)[[[0, 2], [1, 3]], :3]),
    "swapaxes": (_with("swapaxes", X, axis1=1, axis2=2), [A], A.swapaxes(1, 2)),
    "moveaxis": (_with("moveaxis", X, source=2, destination=0), [A], np.moveaxis(A, 2, 0)),
    "power": (_with("power", X, 3), [A], A**3),
    **{
        f"{name} over {axis}": (_with(name, X, axis=axis, keepdims=keep), [A], f(A, axis, keepdims=keep))
        for name, f in REDUCED.items()
        for axis, keep in ((None, False), (-1, True), ((0, 2), False))
    },
    "any": (_with("any", X, axis=1), [A > 0], (A > 0).any(1)),
    "all": (_with("all", X), [A > 0], False),
    "mean of booleans": (_with("mean", X), [np.array([True, False])], 0.5),
    "logical and": (_with("logical_and", X, Y), [A > 0, B > 0], (A > 0) & (B > 0)),
    "logical or": (_with("logical_or", X, Y), [A > 0, B > 0], (A > 0) | (B > 0)),
    "cast to int": (_with("cast", X, "int32"), [A * 5], np.trunc(A * 5)),
    "cast to bool": (_with("cast", X, dtype="bool"), [np.array([0, 2])], [False, True]),
    "cast to float": (_with("cast", X, dtype="float32"), [A > 0], (A > 0) * 1.0),
    "a float's cast keeps it": (_with("cast", X, dtype="float16"), [A], A),
    "where": (_with("where", X, Y, 0.0), [A > 0, B], np.where(A > 0, B, 0)),
    "clip": (_with("clip", X, -0.5, 0.5), [A], A.clip(-0.5, 0.5)),
    "zeros": (_with("zeros_like", X), [A], 0 * A),
    "ones of a type": (_with("ones_like", X, dtype="int32"), [A], 0 * A + 1),
    "item": (_with("get_item", X, (slice(None), -1, None, Ellipsis)), [A], A[:, -1, None]),
    "item by mappings": (
        _with("get_item", X, slice_spec=({"start": None, "stop": None}, {"start": 1, "stop": 3, "step": 1}, 0)),
        [A], A[:, 1:3, 0],
    ),
    "strided slice": (
        _with("strided_slice", X, (0, 1, 0), (0, 3, 0), (1, 1, 1), begin_mask=1, end_mask=1, shrink_axis_mask=4),
        [A], A[:, 1:3, 0],
    ),
    "strided slice, new axis": (
        _with("strided_slice", X, (0, 0, 1), (0, 0, 2), (1, 1, 1), ellipsis_mask=1, new_axis_mask=2), [A],
        A[..., None, 1:2],
    ),
    "reshape": (_with("reshape", X, newshape=(-1, 6)), [A], A.reshape(-1, 6)),
    "transpose": (_with("transpose", X, perm=(2, 0, 1)), [A], A.transpose(2, 0, 1)),
    "transpose, all": (_with("transpose", X), [A], A.T),
    "expand": (_with("expand_dims", X, -1), [A], A[..., None]),
    "squeeze": (_with("squeeze", X, axis=1), [A[:, :1]], A[:, 0]),
    "squeeze, all": (_with("squeeze", X), [A[:1, :1]], A[0, 0]),
    "concatenate": (_with("concatenate", (X, Y), axis=1), [A, B], np.concatenate([A, B], 1)),
    "concatenate, axis last": (_with("concatenate_inputs", X, Y, 2), [A, B], np.concatenate([A, B], 2)),
    "stack": (_with("stack", [X, Y], axis=1), [A, B], np.stack([A, B], 1)),
    "pack": (_with("stack_inputs", X, Y, axis=1), [A, B], np.stack([A, B], 1)),
    "matmul": (_with("matmul", X, Y, transpose_b=True), [A, B], A @ B.swapaxes(1, 2)),
    "einsum, Keras": (_with("einsum", X, Y, subscripts="bti,bsi->bts"), [A, B], np.einsum("bti,bsi->bts", A, B)),
    "einsum, TensorFlow": (_with("einsum", "bti,bsi->bts", X, Y), [A, B], np.einsum("bti,bsi->bts", A, B)),
    "flip": (_with("flip", X, axis=1), [A], A[:, ::-1]),
    "tile": (_with("tile", X, (1, 2, 1)), [A], np.tile(A, (1, 2, 1))),
}  # fmt: skip
# Two implementations of an elementary function, each within a few units in the last place.
BOUND = 32 * 2.0**-53


@pytest.mark.parametrize("case", CASES)
def test_numpy_and_torch_compute_the_same(case: str) -> None:
    operation, inputs, expected = CASES[case]
    ours = apply(operation, inputs)
    theirs = apply(operation, [torch.from_numpy(np.ascontiguousarray(x)) for x in inputs], torch)
    assert str(theirs.dtype).removeprefix("torch.").rstrip("0123456789") == str(ours.dtype).rstrip("0123456789")
    assert error(ours, theirs.numpy()) <= BOUND
    if expected is not None:
        assert error(ours, expected) <= BOUND


def test_a_split_gives_several() -> None:
    for xp, x in ((np, A), (torch, torch.from_numpy(A))):
        for operation, expected in (
            (_with("split", X, 2, axis=-1), np.split(A, 2, -1)),
            (_with("split", X, (1, 3), axis=2), np.split(A, [1, 3], 2)),
            (_with("split_sizes", X, num_or_size_splits=(1, 3), axis=2), np.split(A, [1], 2)),
            (_with("unstack", X, axis=1), list(A.swapaxes(0, 1))),
        ):
            parts = apply(operation, [x], xp)
            assert len(parts) == len(expected)
            for part, other in zip(parts, expected, strict=True):
                assert np.array_equal(np.asarray(part), other)


@pytest.mark.parametrize("name", ["NotEqual", "Add", "GetItem", "Softmax", "Mean", "Transpose", "Matmul", "Clip"])
def test_keras_3_computes_the_same(name: str) -> None:
    """Through the operation's own class, built as its configuration builds it."""
    keras = pytest.importorskip("keras")
    from keras.src.ops import nn, numpy

    fixed = {"Softmax": {"axis": 1}, "Mean": {"axis": (0, 2)}, "Transpose": {"axes": (2, 0, 1)}}
    fixed["Clip"] = {"x_min": -1.0, "x_max": 0.5}
    called: dict[str, list[Any]] = {"GetItem": [A, (slice(None), 1)], "Matmul": [A, B.swapaxes(1, 2)]}
    called |= {two: [A, B] for two in ("NotEqual", "Add")}
    arguments = called.get(name, [A])
    made = getattr(nn if name == "Softmax" else numpy, name)(**fixed.get(name, {}))
    expected = made.call(*(keras.ops.convert_to_tensor(a) if isinstance(a, np.ndarray) else a for a in arguments))
    filled = [Slot(n) if isinstance(a, np.ndarray) else a for n, a in enumerate(arguments)]
    operation = _with(KERAS3[name], *filled, **fixed.get(name, {}))
    assert error(apply(operation, arguments), np.asarray(expected)) <= BOUND


def test_tensorflows_words_are_known() -> None:
    """Calls as a TFOpLambda spells them, made with TensorFlow itself and with the table."""
    tf = pytest.importorskip("tensorflow")
    for function, keywords in {
        "math.add": {"x": A, "y": B},
        "math.reduce_sum": {"input_tensor": A, "axis": [1], "keepdims": True},
        "concat": {"values": [A, B], "axis": -1},
        "cast": {"x": A * 5, "dtype": "int32"},
        "expand_dims": {"input": A, "axis": 1},
        "nn.relu": {"features": A},
        "nn.softmax": {"logits": A},
        "linalg.matmul": {"a": A, "b": B, "transpose_b": True},
        "transpose": {"a": A, "perm": [1, 0, 2]},
        "clip_by_value": {"t": A, "clip_value_min": -1.0, "clip_value_max": 0.5},
        "where": {"condition": A > 0, "x": A, "y": B},
        "reshape": {"tensor": A, "shape": [-1, 12]},
        "math.pow": {"x": POSITIVE, "y": 2.0},
        "zeros_like": {"input": A},
        "reverse": {"tensor": A, "axis": [1]},
    }.items():
        call = tf
        for part in function.split("."):
            call = getattr(call, part)
        inputs = [v for value in keywords.values() for v in (value if isinstance(value, list) else [value])]
        arrays = [v for v in inputs if isinstance(v, np.ndarray)]
        slots = iter(range(len(arrays)))

        def slotted(value: Any, slots: Any = slots) -> Any:
            if isinstance(value, list):
                return [slotted(v) for v in value]
            return Slot(next(slots)) if isinstance(value, np.ndarray) else value

        operation = _with(TF_FUNCTIONS[function], **{k: slotted(v) for k, v in keywords.items()}, name=None)
        assert error(apply(operation, arrays), np.asarray(call(**keywords))) <= BOUND, function


def test_what_the_table_lacks_is_refused_by_name() -> None:
    for operation, words in (
        (Operation(name="os.system"), "no operation is called 'os.system'"),
        (_with("add", X, Y, X), "add: too many"),
        (_with("sum", X, where=1), "sum: got an unexpected keyword argument 'where'"),
        (_with("cast", X, "string"), "a cast to string"),
        (_with("take", X, Y, axis=1), "take by anything but numbers"),
        (_with("pad", X, [[0, 0], [1, 1], [0, 0]], mode="REFLECT"), "pad by anything but zeros"),
        (_with("pad", X, [[0, 0], [1, 1], [0, 0]], constant_values=1), "pad by anything but zeros"),
        (_with("one_hot", X, 3, axis=0), "one_hot with anything but ones"),
        (_with("cumsum", X, 1, exclusive=True), "exclusive"),
        (_with("round", X, decimals=2), "decimals"),
        (_with("norm", X, ord=1), "a norm that is not"),
        (_with("repeat", X, [1, 2, 3], axis=1), "repeat by anything but one number"),
        (_with("roll", X, 1), "roll along anything but one axis"),
    ):
        with pytest.raises(Unsupported, match=words):
            apply(operation, [A, B])


def test_a_name_means_one_operation() -> None:
    for field, table in (("keras3", KERAS3), ("tf", TF_FUNCTIONS), ("node", NODE_OPS)):
        names = [name for row in ROWS.values() for name in getattr(row, field)]
        assert sorted(names) == sorted(table), field


def test_every_name_of_keras_3_is_an_operation_of_keras_3() -> None:
    pytest.importorskip("keras")
    from keras.src.ops import core, linalg, math, nn, numpy

    for name in KERAS3:
        assert any(hasattr(module, name) for module in (core, linalg, math, nn, numpy)), name
