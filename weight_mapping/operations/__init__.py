"""Operations as nodes of a model: what a call of one computes.

`table` has a row for each operation: its formula, and the names that Keras 3, tf.keras and TensorFlow give it. The
formulas are written once for NumPy, PyTorch and ONNX alike: `elementwise`, `reducing` (along axes) and `rearranging`
(what cuts, joins and moves)."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from weight_mapping.errors import Unsupported, shown
from weight_mapping.operations.elementwise import like
from weight_mapping.operations.table import ROWS
from weight_mapping.spec import Operation, Slot

Array = Any


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
            bound.arguments[name] = like(xp, bound.arguments[name], inputs[0])
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
