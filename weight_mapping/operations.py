"""Operations as nodes of a model: a closed table, one formula each, written once for NumPy and PyTorch alike.

A row is also the dictionary of names: what Keras 3 calls the operation (`keras3`, class names of keras.ops), tf.keras
2.4 to 2.15 in a TFOpLambda's `function` (`tf`), and tf.keras 2.0 to 2.3 in a TensorFlowOpLayer's NodeDef (`node`).
Names are looked up here and nowhere else: what the table lacks is refused.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from weight_mapping import rearranging
from weight_mapping.activations import NUMPY, Activation, activation
from weight_mapping.errors import Unsupported, shown
from weight_mapping.rearranging import axes_of
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
    "transpose_a": ("adj_x", ), "transpose_b": ("adj_y",), "alpha": ("negative_slope",), "depth": ("num_classes",),
    "indices": ("x",), "params": ("x",), "paddings": ("pad_width",), "output_type": ("dtype",), "out_type": ("dtype",),
}  # fmt: skip
"""Other words for a parameter; the first of its names that the formula has is meant."""


def keywords_of(operation: Operation, signature: inspect.Signature) -> dict[str, Any]:
    """The keywords under the formula's own names, less what TensorFlow's functions write out and leave off
    (conjugate=False)."""
    given = {_word(k, signature): v for k, v in operation.keywords if k != "name"}
    idle = (None, False, 0) if operation.name == "take" else (None, False)  # tf.gather's batch_dims
    return {k: v for k, v in given.items() if k in signature.parameters or not any(v is one for one in idle)}


def _word(keyword: str, signature: inspect.Signature) -> str:
    own = (name for name in (keyword, *_WORDS.get(keyword, ())) if name in signature.parameters)
    return next(own, keyword)


def _acted(of: Activation, xp: Any, x: Array) -> Array:
    return of.function(x, NUMPY if xp is np else xp)


def _activation(name: str, **fixed: Any) -> Formula:
    def formula(xp: Any, x: Array) -> Array:
        return _acted(activation(name, **fixed), xp, x)

    return formula


def _gelu(xp: Any, x: Array, approximate: bool = False) -> Array:
    return _acted(activation("gelu", approximate=approximate), xp, x)


def _elu(xp: Any, x: Array, alpha: float = 1.0) -> Array:
    return _acted(activation("elu", alpha=alpha), xp, x)


def _log_softmax(xp: Any, x: Array, axis: int = -1) -> Array:
    return _acted(activation("log_softmax", axis=-1 if axis is None else axis), xp, x)


def _softmax(xp: Any, x: Array, axis: int = -1) -> Array:
    return _acted(activation("softmax", axis=-1 if axis is None else axis), xp, x)


def _leaky_relu(xp: Any, x: Array, negative_slope: float = 0.2) -> Array:
    return _acted(activation("leaky_relu", negative_slope=negative_slope), xp, x)


def _like(xp: Any, x: Array, other: Array) -> Array:
    """x as an array, a plain number in the dtype of the array beside it."""
    return x if hasattr(x, "dtype") else xp.asarray(x, dtype=getattr(other, "dtype", None))


def _extreme(name: str) -> Formula:
    def formula(xp: Any, x1: Array, x2: Array) -> Array:
        return getattr(xp, name)(_like(xp, x1, x2), _like(xp, x2, x1))

    return formula


def _reduction(name: str) -> Formula:
    def formula(xp: Any, x: Array, axis: Any = None, keepdims: bool = False) -> Array:
        return getattr(xp, name)(x, axis=axes_of(x, axis), keepdims=bool(keepdims))

    return formula


def _mean(xp: Any, x: Array, axis: Any = None, keepdims: bool = False) -> Array:
    return xp.mean(x if _is_float(x) else x * 1.0, axis=axes_of(x, axis), keepdims=bool(keepdims))


def _variance(xp: Any, x: Array, axis: Any = None, keepdims: bool = False) -> Array:
    off = x - _mean(xp, x, axis, True)
    return _mean(xp, off * off, axis, keepdims)


def _norm(xp: Any, x: Array, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Array:
    if ord not in (None, 2, "euclidean"):
        raise Unsupported("a norm that is not the root of the squares' sum", class_name="norm", found=shown(ord))
    return xp.sqrt(xp.sum(x * x, axis=axes_of(x, axis), keepdims=bool(keepdims)))


def _normalize(xp: Any, x: Array, axis: Any = -1, order: int = 2, epsilon: float | None = None) -> Array:
    """Keras 3: a length below epsilon counts as epsilon."""
    if order != 2:
        raise Unsupported("a norm that is not the root of the squares' sum", class_name="normalize", found=shown(order))
    return _l2_normalize(xp, x, axis, (1e-7 if epsilon is None else epsilon) ** 2)


def _l2_normalize(xp: Any, x: Array, axis: Any = None, epsilon: float = 1e-12) -> Array:
    """TensorFlow: a square of a length below epsilon counts as epsilon."""
    return x / xp.sqrt(xp.clip(xp.sum(x * x, axis=axes_of(x, axis), keepdims=True), epsilon, None))


def _round(xp: Any, x: Array, decimals: int = 0) -> Array:
    """Halves go to the even neighbour."""
    if decimals:
        raise Unsupported("rounding to decimals", class_name="round", found=shown(decimals))
    return xp.round(x)


def _cumsum(xp: Any, x: Array, axis: int = 0, exclusive: bool = False, reverse: bool = False) -> Array:
    if exclusive or reverse:
        raise Unsupported("a cumsum that is exclusive or in reverse", class_name="cumsum")
    return xp.cumsum(x, int(axis))


def _argmax(xp: Any, x: Array, axis: int = 0, keepdims: bool = False, dtype: str | None = None) -> Array:
    found = xp.argmax(x, int(axis))
    found = rearranging.expand_dims(found, int(axis)) if keepdims else found
    return found if dtype is None else _cast(xp, found, dtype)


def _prod(xp: Any, x: Array, axis: Any = None, keepdims: bool = False) -> Array:
    axes = axes_of(x, axis)
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


def _one_hot(
    xp: Any, x: Array, num_classes: int, axis: int = -1, dtype: str | None = None, sparse: bool = False,
    on_value: Any = None, off_value: Any = None,
) -> Array:  # fmt: skip
    """1 at the place that each number of x says, 0 elsewhere, in a new last axis."""
    if axis not in (-1, x.ndim) or sparse or on_value not in (None, 1) or off_value not in (None, 0):
        raise Unsupported("the operation one_hot with anything but ones in a last axis", class_name="one_hot")
    ones = x[(..., None)] == xp.asarray(tuple(range(int(num_classes))), dtype=x.dtype)
    return _cast(xp, ones, dtype or "float32")


def _like_another(name: str) -> Formula:
    def formula(xp: Any, x: Array, dtype: str | None = None) -> Array:
        y = getattr(xp, name)(x)
        return y if dtype is None else _cast(xp, y, dtype)

    return formula


def _matmul(xp: Any, x1: Array, x2: Array, adj_x: bool = False, adj_y: bool = False) -> Array:
    x1 = xp.swapaxes(x1, -1, -2) if adj_x else x1
    return x1 @ (xp.swapaxes(x2, -1, -2) if adj_y else x2)


def _einsum(xp: Any, *operands: Any, subscripts: str | None = None) -> Array:
    """The equation as a keyword (Keras) or as the first argument (TensorFlow)."""
    return xp.einsum(*operands) if subscripts is None else xp.einsum(subscripts, *operands)


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
    "floor": Row(_each("floor"), ("Floor",), ("math.floor", "floor"), ("Floor",)),
    "ceil": Row(_each("ceil"), ("Ceil",), ("math.ceil",), ("Ceil",)),
    "round": Row(_round, ("Round",), ("math.round", "round"), ("Round",)),
    "reciprocal": Row(lambda x: 1 / x, ("Reciprocal",), ("math.reciprocal",), ("Reciprocal",)),
    "square": Row(lambda x: x * x, ("Square",), ("math.square", "square"), ("Square",)),
    "sin": Row(_each("sin"), ("Sin",), ("math.sin", "sin"), ("Sin",)),
    "cos": Row(_each("cos"), ("Cos",), ("math.cos", "cos"), ("Cos",)),
    "tanh": Row(_activation("tanh"), ("Tanh",), ("math.tanh", "tanh", "nn.tanh"), ("Tanh",)),
    "sigmoid": Row(_activation("sigmoid"), ("Sigmoid",), ("math.sigmoid", "sigmoid", "nn.sigmoid"), ("Sigmoid",)),
    "relu": Row(_activation("relu"), ("Relu",), ("nn.relu",), ("Relu",)),
    "relu6": Row(_activation("relu", max_value=6.0), ("Relu6",), ("nn.relu6",), ("Relu6",)),
    "leaky_relu": Row(_leaky_relu, ("LeakyRelu",), ("nn.leaky_relu",), ("LeakyRelu",)),
    "elu": Row(_elu, ("Elu",), ("nn.elu",), ("Elu",)),
    "selu": Row(_activation("selu"), ("Selu",), ("nn.selu",), ("Selu",)),
    "gelu": Row(_gelu, ("Gelu",), ("nn.gelu",)),
    "softsign": Row(_activation("softsign"), ("Softsign",), ("nn.softsign",), ("Softsign",)),
    "hard_sigmoid": Row(_activation("hard_sigmoid", slope=1 / 6), ("HardSigmoid",)),
    "log_sigmoid": Row(_activation("log_sigmoid"), ("LogSigmoid",), ("math.log_sigmoid",)),
    "log_softmax": Row(_log_softmax, ("LogSoftmax",), ("nn.log_softmax",), ("LogSoftmax",)),
    "silu": Row(_activation("silu"), ("Silu",), ("nn.silu", "nn.swish")),
    "softplus": Row(_activation("softplus"), ("Softplus",), ("math.softplus", "nn.softplus"), ("Softplus",)),
    "softmax": Row(_softmax, ("Softmax",), ("nn.softmax",), ("Softmax",)),
    "sum": Row(_reduction("sum"), ("Sum",), ("math.reduce_sum", "reduce_sum"), ("Sum",)),
    "mean": Row(_mean, ("Mean",), ("math.reduce_mean", "reduce_mean"), ("Mean",)),
    "variance": Row(_variance, ("Var",), ("math.reduce_variance",)),
    "std": Row(
        lambda xp, x, axis=None, keepdims=False: xp.sqrt(_variance(xp, x, axis, keepdims)),
        ("Std",),
        ("math.reduce_std",),
    ),
    "norm": Row(_norm, ("Norm",), ("norm", "compat.v1.norm")),
    "normalize": Row(_normalize, ("Normalize",)),
    "l2_normalize": Row(_l2_normalize, (), ("math.l2_normalize", "nn.l2_normalize")),
    "cumsum": Row(_cumsum, ("Cumsum",), ("math.cumsum", "cumsum")),
    "argmax": Row(_argmax, ("Argmax",), ("math.argmax", "argmax")),
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
    "identity": Row(
        lambda x: x, ("StopGradient", "ConvertToTensor"), ("identity", "stop_gradient"), ("Identity", "StopGradient")
    ),
    "get_item": Row(rearranging.get_item, ("GetItem",), ("__operators__.getitem",)),
    "strided_slice": Row(rearranging.strided_slice, (), ("strided_slice",), ("StridedSlice",)),
    "reshape": Row(
        lambda xp, x, shape: xp.reshape(x, tuple(int(n) for n in shape)), ("Reshape",), ("reshape",), ("Reshape",)
    ),
    "shape": Row(lambda xp, x, dtype=None: xp.asarray(tuple(x.shape)), (), ("shape", "compat.v1.shape"), ("Shape",)),
    "transpose": Row(rearranging.transpose, ("Transpose",), ("transpose", "compat.v1.transpose"), ("Transpose",)),
    "expand_dims": Row(rearranging.expand_dims, ("ExpandDims",), ("expand_dims",), ("ExpandDims",)),
    "squeeze": Row(rearranging.squeeze, ("Squeeze",), ("squeeze", "compat.v1.squeeze"), ("Squeeze",)),
    "concatenate": Row(lambda xp, xs, axis=0: xp.concatenate(tuple(xs), axis), ("Concatenate",), ("concat",)),
    "concatenate_inputs": Row(lambda xp, *xs: xp.concatenate(xs[:-1], int(xs[-1])), node=("ConcatV2",)),
    "stack": Row(lambda xp, xs, axis=0: xp.stack(tuple(xs), axis), ("Stack",), ("stack",)),
    "stack_inputs": Row(lambda xp, *xs, axis=0: xp.stack(xs, axis), node=("Pack",)),
    "split": Row(rearranging.split, ("Split",)),
    "split_sizes": Row(rearranging.split_sizes, (), ("split",)),
    "unstack": Row(rearranging.unstack, ("Unstack",), ("unstack",), ("Unpack",)),
    "flip": Row(lambda xp, x, axis=None: xp.flip(x, axes_of(x, axis)), ("Flip",), ("reverse",), ("ReverseV2",)),
    "swapaxes": Row(lambda xp, x, axis1, axis2: xp.swapaxes(x, int(axis1), int(axis2)), ("Swapaxes",)),
    "moveaxis": Row(lambda xp, x, source, destination: xp.moveaxis(x, source, destination), ("Moveaxis",)),
    "take": Row(rearranging.take, ("Take",), ("gather", "compat.v1.gather")),
    "pad": Row(rearranging.pad, ("Pad",), ("pad", "compat.v1.pad")),
    "repeat": Row(rearranging.repeat, ("Repeat",), ("repeat",)),
    "roll": Row(rearranging.roll, ("Roll",), ("roll",)),
    "one_hot": Row(_one_hot, ("OneHot",), ("one_hot", "compat.v1.one_hot"), ("OneHot",)),
    "tile": Row(lambda xp, x, repeats: xp.tile(x, tuple(int(n) for n in repeats)), ("Tile",), ("tile",), ("Tile",)),
}
"""Canonical name -> formula and names. In Keras 3 a layer may bear an operation's name (Add, Concatenate, …): the
configuration's module tells them apart."""

KERAS3: dict[str, str] = {name: canonical for canonical, row in ROWS.items() for name in row.keras3}
TF_FUNCTIONS: dict[str, str] = {name: canonical for canonical, row in ROWS.items() for name in row.tf}
NODE_OPS: dict[str, str] = {name: canonical for canonical, row in ROWS.items() for name in row.node}
