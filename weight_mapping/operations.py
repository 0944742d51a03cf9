"""Operations as nodes of a model: a closed table, one formula each, written once for NumPy and PyTorch alike.

A row is also the dictionary of names: what Keras 3 calls the operation (`keras3`, class names of keras.ops), tf.keras
2.4 to 2.15 in a TFOpLambda's `function` (`tf`), and tf.keras 2.0 to 2.3 in a TensorFlowOpLayer's NodeDef (`node`).
Names are looked up here and nowhere else: what the table lacks is refused.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from weight_mapping.activations import NUMPY, activation
from weight_mapping.errors import Unsupported, shown
from weight_mapping.spec import Operation, Slot

Array = Any
Formula = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Row:
    """`formula`, its parameters named as in keras.ops; one that needs more than operators takes the module numpy or
    torch as its first, `xp`."""

    formula: Formula
    keras3: tuple[str, ...] = ()
    tf: tuple[str, ...] = ()
    node: tuple[str, ...] = ()


def apply(operation: Operation, inputs: Sequence[Array], xp: Any = np) -> Any:
    """The operation on its inputs, which take the places of its `Slot`s: an array, or a list of them for a split.

    `xp` is the module numpy or torch, whichever the inputs belong to. Raises Unsupported for a name or an argument that
    the table does not have."""
    row = ROWS.get(operation.name)
    if row is None:
        raise Unsupported(f"no operation is called {shown(operation.name)!r}", class_name=operation.name)
    signature = inspect.signature(row.formula)
    arguments = [_filled(argument, inputs) for argument in operation.arguments]
    keywords = {k: _filled(v, inputs) for k, v in keywords_of(operation, signature).items()}
    if "xp" in signature.parameters:
        arguments = [xp, *arguments]
    try:
        bound = signature.bind(*arguments, **keywords)
    except TypeError as problem:
        raise Unsupported(f"the operation {operation.name}: {problem}", class_name=operation.name) from problem
    for name in ("x1", "x2"):  # a constant array, which a configuration can only list
        if isinstance(bound.arguments.get(name), list | tuple):
            bound.arguments[name] = _like(xp, bound.arguments[name], inputs[0])
    return row.formula(*bound.args, **bound.kwargs)


def _filled(argument: Any, inputs: Sequence[Array]) -> Any:
    match argument:
        case Slot(index):
            return inputs[index]
        case tuple() | list():
            return type(argument)(_filled(each, inputs) for each in argument)
        case slice():
            return slice(*(_filled(each, inputs) for each in (argument.start, argument.stop, argument.step)))
        case _:
            return argument


_WORDS: Mapping[str, tuple[str, ...]] = {
    "x": ("x1", "xs"), "y": ("x2",), "a": ("x1", "x"), "b": ("x2",), "input": ("x",), "input_tensor": ("x",),
    "tensor": ("x",), "t": ("x",), "value": ("x",), "values": ("xs", "x"), "features": ("x",), "logits": ("x",),
    "keep_dims": ("keepdims",), "reduction_indices": ("axis",), "dim": ("axis",), "newshape": ("shape",),
    "perm": ("axes",), "variable": ("x",), "slice_spec": ("key",), "num_or_size_splits": ("sizes",),
    "clip_value_min": ("x_min",), "clip_value_max": ("x_max",), "equation": ("subscripts",), "multiples": ("repeats",),
    "transpose_a": ("adj_x", ), "transpose_b": ("adj_y",), "alpha": ("negative_slope",),
}  # fmt: skip
"""Other words for a parameter; the first of its names that the formula has is meant."""


def keywords_of(operation: Operation, signature: inspect.Signature) -> dict[str, Any]:
    """The keywords under the formula's own names, less what TensorFlow's functions write out and leave off
    (conjugate=False)."""
    given = {_word(k, signature): v for k, v in operation.keywords if k != "name"}
    return {k: v for k, v in given.items() if k in signature.parameters or not (v is None or v is False)}


def _word(keyword: str, signature: inspect.Signature) -> str:
    own = (name for name in (keyword, *_WORDS.get(keyword, ())) if name in signature.parameters)
    return next(own, keyword)


def _activation(name: str, **fixed: Any) -> Formula:
    def formula(xp: Any, x: Array) -> Array:
        return activation(name, **fixed).function(x, NUMPY if xp is np else xp)

    return formula


def _softmax(xp: Any, x: Array, axis: int = -1) -> Array:
    return activation("softmax", axis=-1 if axis is None else axis).function(x, NUMPY if xp is np else xp)


def _leaky_relu(xp: Any, x: Array, negative_slope: float = 0.2) -> Array:
    return activation("leaky_relu", negative_slope=negative_slope).function(x, NUMPY if xp is np else xp)


def _like(xp: Any, x: Array, other: Array) -> Array:
    """x as an array, a plain number in the dtype of the array beside it."""
    return x if hasattr(x, "dtype") else xp.asarray(x, dtype=getattr(other, "dtype", None))


def _extreme(name: str) -> Formula:
    def formula(xp: Any, x1: Array, x2: Array) -> Array:
        return getattr(xp, name)(_like(xp, x1, x2), _like(xp, x2, x1))

    return formula


def _axes(x: Array, axis: Any) -> tuple[int, ...]:
    if axis is None:
        return tuple(range(x.ndim))
    return tuple(int(a) % x.ndim for a in (axis if isinstance(axis, tuple | list) else (axis,)))


def _reduction(name: str) -> Formula:
    def formula(xp: Any, x: Array, axis: Any = None, keepdims: bool = False) -> Array:
        return getattr(xp, name)(x, axis=_axes(x, axis), keepdims=bool(keepdims))

    return formula


def _mean(xp: Any, x: Array, axis: Any = None, keepdims: bool = False) -> Array:
    return xp.mean(x if _is_float(x) else x * 1.0, axis=_axes(x, axis), keepdims=bool(keepdims))


def _prod(xp: Any, x: Array, axis: Any = None, keepdims: bool = False) -> Array:
    axes = _axes(x, axis)
    for a in axes:
        x = xp.prod(x, axis=a, keepdims=True)
    return x if keepdims or not axes else xp.squeeze(x, axes)


def _is_float(x: Array) -> bool:
    return "float" in str(x.dtype)


def _cast(xp: Any, x: Array, dtype: str) -> Array:
    """A float stays in the precision in which the model is computed, whatever width the file asks for."""
    name = str(dtype)
    if name.startswith(("float", "bfloat")):
        return x if _is_float(x) else x * 1.0
    if name == "bool":
        return x != 0
    if name.startswith(("int", "uint")):
        return x.astype(np.int64) if xp is np else x.long()
    raise Unsupported(f"a cast to {shown(name)}", class_name="cast")


def _like_another(name: str) -> Formula:
    def formula(xp: Any, x: Array, dtype: str | None = None) -> Array:
        y = getattr(xp, name)(x)
        return y if dtype is None else _cast(xp, y, dtype)

    return formula


def _get_item(x: Array, key: Any) -> Array:
    """x[key]; a slice may come as a mapping of start, stop and step, as tf.keras writes it."""
    keys = key if isinstance(key, tuple | list) else (key,)
    return x[tuple(slice(k.get("start"), k.get("stop"), k.get("step")) if isinstance(k, Mapping) else k for k in keys)]


def _strided_slice(
    x: Array, begin: Any, end: Any, strides: Any, begin_mask: int = 0, end_mask: int = 0,
    ellipsis_mask: int = 0, new_axis_mask: int = 0, shrink_axis_mask: int = 0,
) -> Array:  # fmt: skip
    """TensorFlow's spelling of x[…]: bit n of a mask speaks of the n-th key."""
    keys: list[Any] = []
    for n, (start, stop, step) in enumerate(zip(begin, end, strides, strict=True)):
        bit = 1 << n
        if ellipsis_mask & bit:
            keys.append(...)
        elif new_axis_mask & bit:
            keys.append(None)
        elif shrink_axis_mask & bit:
            keys.append(int(start))
        else:
            keys.append(slice(None if begin_mask & bit else start, None if end_mask & bit else stop, step))
    return x[tuple(keys)]


def _expand_dims(x: Array, axis: Any) -> Array:
    asked = axis if isinstance(axis, tuple | list) else (axis,)
    added = {int(a) % (x.ndim + len(asked)) for a in asked}
    return x[tuple(None if n in added else slice(None) for n in range(x.ndim + len(asked)))]


def _squeeze(xp: Any, x: Array, axis: Any = None) -> Array:
    ones = tuple(n for n, size in enumerate(x.shape) if size == 1)
    return xp.squeeze(x, ones if axis is None or axis in ((), []) else _axes(x, axis))


def _transpose(xp: Any, x: Array, axes: Any = None) -> Array:
    order = tuple(range(x.ndim))[::-1] if axes is None else tuple(int(a) for a in axes)
    return xp.moveaxis(x, order, tuple(range(x.ndim)))


def _matmul(xp: Any, x1: Array, x2: Array, adj_x: bool = False, adj_y: bool = False) -> Array:
    x1 = xp.swapaxes(x1, -1, -2) if adj_x else x1
    return x1 @ (xp.swapaxes(x2, -1, -2) if adj_y else x2)


def _einsum(xp: Any, *operands: Any, subscripts: str | None = None) -> Array:
    """The equation as a keyword (Keras) or as the first argument (TensorFlow)."""
    return xp.einsum(*operands) if subscripts is None else xp.einsum(subscripts, *operands)


def _split(x: Array, indices_or_sections: Any, axis: int = 0) -> list[Array]:
    """So many equal parts, or parts that end at these indices."""
    axis, size = axis % x.ndim, x.shape[axis]
    if isinstance(indices_or_sections, int):
        step = size // indices_or_sections
        indices_or_sections = range(step, size, step)
    ends = [0, *(int(end) for end in indices_or_sections), size]
    return [x[(slice(None),) * axis + (slice(a, b),)] for a, b in pairwise(ends)]


def _split_sizes(x: Array, sizes: Any, axis: int = 0) -> list[Array]:
    """So many equal parts, or parts of these sizes."""
    if isinstance(sizes, int):
        return _split(x, sizes, axis)
    return _split(x, [sum(sizes[: n + 1]) for n in range(len(sizes) - 1)], axis)


def _unstack(x: Array, num: int | None = None, axis: int = 0) -> list[Array]:
    return [x[(slice(None),) * (axis % x.ndim) + (n,)] for n in range(x.shape[axis] if num is None else num)]


def _where(xp: Any, condition: Array, x1: Array, x2: Array) -> Array:
    return xp.where(condition, _like(xp, x1, x2), _like(xp, x2, x1))


def _each(name: str) -> Formula:
    return lambda xp, x: getattr(xp, name)(x)


ROWS: dict[str, Row] = {
    "add": Row(lambda x1, x2: x1 + x2, ("Add",), ("math.add", "__operators__.add", "add"), ("AddV2", "Add", "BiasAdd")),
    "subtract": Row(lambda x1, x2: x1 - x2, ("Subtract",), ("math.subtract", "subtract"), ("Sub",)),
    "multiply": Row(lambda x1, x2: x1 * x2, ("Multiply",), ("math.multiply", "multiply"), ("Mul",)),
    "divide": Row(lambda x1, x2: x1 / x2, ("Divide",), ("math.divide", "divide"), ("RealDiv",)),
    "true_divide": Row(lambda x1, x2: x1 / x2, ("TrueDivide",), ("math.truediv", "truediv")),
    "floor_divide": Row(lambda x1, x2: x1 // x2, ("FloorDivide",), ("math.floordiv",), ("FloorDiv",)),
    "mod": Row(lambda x1, x2: x1 % x2, ("Mod",), ("math.floormod", "math.mod"), ("FloorMod",)),
    "power": Row(lambda x1, x2: x1**x2, ("Power",), ("math.pow", "pow"), ("Pow",)),
    "maximum": Row(_extreme("maximum"), ("Maximum",), ("math.maximum", "maximum"), ("Maximum",)),
    "minimum": Row(_extreme("minimum"), ("Minimum",), ("math.minimum", "minimum"), ("Minimum",)),
    "equal": Row(lambda x1, x2: x1 == x2, ("Equal",), ("math.equal", "__operators__.eq", "equal"), ("Equal",)),
    "not_equal": Row(
        lambda x1, x2: x1 != x2, ("NotEqual",), ("math.not_equal", "__operators__.ne", "not_equal"), ("NotEqual",)
    ),
    "greater": Row(lambda x1, x2: x1 > x2, ("Greater",), ("math.greater", "greater"), ("Greater",)),
    "greater_equal": Row(
        lambda x1, x2: x1 >= x2, ("GreaterEqual",), ("math.greater_equal", "greater_equal"), ("GreaterEqual",)
    ),
    "less": Row(lambda x1, x2: x1 < x2, ("Less",), ("math.less", "less"), ("Less",)),
    "less_equal": Row(lambda x1, x2: x1 <= x2, ("LessEqual",), ("math.less_equal", "less_equal"), ("LessEqual",)),
    "logical_and": Row(lambda x1, x2: (x1 != 0) & (x2 != 0), ("LogicalAnd",), ("math.logical_and",), ("LogicalAnd",)),
    "logical_or": Row(lambda x1, x2: (x1 != 0) | (x2 != 0), ("LogicalOr",), ("math.logical_or",), ("LogicalOr",)),
    "logical_not": Row(lambda x: x == 0, ("LogicalNot",), ("math.logical_not",), ("LogicalNot",)),
    "negative": Row(lambda x: -x, ("Negative",), ("math.negative", "negative"), ("Neg",)),
    "abs": Row(_each("abs"), ("Abs", "Absolute"), ("math.abs", "abs"), ("Abs",)),
    "sign": Row(_each("sign"), ("Sign",), ("math.sign", "sign"), ("Sign",)),
    "exp": Row(_each("exp"), ("Exp",), ("math.exp", "exp"), ("Exp",)),
    "log": Row(_each("log"), ("Log",), ("math.log",), ("Log",)),
    "log1p": Row(_each("log1p"), ("Log1p",), ("math.log1p",), ("Log1p",)),
    "sqrt": Row(_each("sqrt"), ("Sqrt",), ("math.sqrt", "sqrt"), ("Sqrt",)),
    "rsqrt": Row(lambda xp, x: 1 / xp.sqrt(x), ("Rsqrt",), ("math.rsqrt",), ("Rsqrt",)),
    "reciprocal": Row(lambda x: 1 / x, ("Reciprocal",), ("math.reciprocal",), ("Reciprocal",)),
    "square": Row(lambda x: x * x, ("Square",), ("math.square", "square"), ("Square",)),
    "sin": Row(_each("sin"), ("Sin",), ("math.sin", "sin"), ("Sin",)),
    "cos": Row(_each("cos"), ("Cos",), ("math.cos", "cos"), ("Cos",)),
    "tanh": Row(_activation("tanh"), ("Tanh",), ("math.tanh", "tanh", "nn.tanh"), ("Tanh",)),
    "sigmoid": Row(_activation("sigmoid"), ("Sigmoid",), ("math.sigmoid", "sigmoid", "nn.sigmoid"), ("Sigmoid",)),
    "relu": Row(_activation("relu"), ("Relu",), ("nn.relu",), ("Relu",)),
    "relu6": Row(_activation("relu", max_value=6.0), ("Relu6",), ("nn.relu6",), ("Relu6",)),
    "leaky_relu": Row(_leaky_relu, ("LeakyRelu",), ("nn.leaky_relu",), ("LeakyRelu",)),
    "elu": Row(_activation("elu"), (), ("nn.elu",), ("Elu",)),
    "silu": Row(_activation("silu"), ("Silu",), ("nn.silu", "nn.swish")),
    "softplus": Row(_activation("softplus"), ("Softplus",), ("math.softplus", "nn.softplus"), ("Softplus",)),
    "softmax": Row(_softmax, ("Softmax",), ("nn.softmax",), ("Softmax",)),
    "sum": Row(_reduction("sum"), ("Sum",), ("math.reduce_sum", "reduce_sum"), ("Sum",)),
    "mean": Row(_mean, ("Mean",), ("math.reduce_mean", "reduce_mean"), ("Mean",)),
    "max": Row(_reduction("amax"), ("Max", "Amax"), ("math.reduce_max", "reduce_max"), ("Max",)),
    "min": Row(_reduction("amin"), ("Min", "Amin"), ("math.reduce_min", "reduce_min"), ("Min",)),
    "prod": Row(_prod, ("Prod",), ("math.reduce_prod", "reduce_prod"), ("Prod",)),
    "any": Row(_reduction("any"), ("Any",), ("math.reduce_any",), ("Any",)),
    "all": Row(_reduction("all"), ("All",), ("math.reduce_all",), ("All",)),
    "matmul": Row(_matmul, ("Matmul",), ("linalg.matmul", "matmul"), ("MatMul", "BatchMatMul", "BatchMatMulV2")),
    "einsum": Row(_einsum, ("Einsum",), ("einsum", "linalg.einsum")),
    "cast": Row(_cast, ("Cast",), ("cast", "dtypes.cast"), ("Cast",)),
    "clip": Row(lambda xp, x, x_min, x_max: xp.clip(x, x_min, x_max), ("Clip",), ("clip_by_value",), ("ClipByValue",)),
    "where": Row(_where, ("Where",), ("where", "compat.v1.where"), ("SelectV2", "Select")),
    "zeros_like": Row(_like_another("zeros_like"), ("ZerosLike",), ("zeros_like",), ("ZerosLike",)),
    "ones_like": Row(_like_another("ones_like"), ("OnesLike",), ("ones_like",), ("OnesLike",)),
    "identity": Row(lambda x: x, ("StopGradient",), ("identity", "stop_gradient"), ("Identity", "StopGradient")),
    "get_item": Row(_get_item, ("GetItem",), ("__operators__.getitem",)),
    "strided_slice": Row(_strided_slice, (), ("strided_slice",), ("StridedSlice",)),
    "reshape": Row(
        lambda xp, x, shape: xp.reshape(x, tuple(int(n) for n in shape)), ("Reshape",), ("reshape",), ("Reshape",)
    ),
    "shape": Row(lambda xp, x: xp.asarray(tuple(x.shape)), (), ("shape", "compat.v1.shape"), ("Shape",)),
    "transpose": Row(_transpose, ("Transpose",), ("transpose", "compat.v1.transpose"), ("Transpose",)),
    "expand_dims": Row(_expand_dims, ("ExpandDims",), ("expand_dims",), ("ExpandDims",)),
    "squeeze": Row(_squeeze, ("Squeeze",), ("squeeze", "compat.v1.squeeze"), ("Squeeze",)),
    "concatenate": Row(lambda xp, xs, axis=0: xp.concatenate(tuple(xs), axis), ("Concatenate",), ("concat",)),
    "concatenate_inputs": Row(lambda xp, *xs: xp.concatenate(xs[:-1], int(xs[-1])), node=("ConcatV2",)),
    "stack": Row(lambda xp, xs, axis=0: xp.stack(tuple(xs), axis), ("Stack",), ("stack",)),
    "stack_inputs": Row(lambda xp, *xs, axis=0: xp.stack(xs, axis), node=("Pack",)),
    "split": Row(_split, ("Split",)),
    "split_sizes": Row(_split_sizes, (), ("split",)),
    "unstack": Row(_unstack, ("Unstack",), ("unstack",), ("Unpack",)),
    "flip": Row(lambda xp, x, axis=None: xp.flip(x, _axes(x, axis)), ("Flip",), ("reverse",), ("ReverseV2",)),
    "tile": Row(lambda xp, x, repeats: xp.tile(x, tuple(int(n) for n in repeats)), ("Tile",), ("tile",), ("Tile",)),
}
"""Canonical name -> formula and names. In Keras 3 a layer may bear an operation's name (Add, Concatenate, …): the
configuration's module tells them apart."""

KERAS3: dict[str, str] = {name: canonical for canonical, row in ROWS.items() for name in row.keras3}
TF_FUNCTIONS: dict[str, str] = {name: canonical for canonical, row in ROWS.items() for name in row.tf}
NODE_OPS: dict[str, str] = {name: canonical for canonical, row in ROWS.items() for name in row.node}
