"""What a configuration says must be stored for each leaf: names, shapes, and how the arrays become canonical.

Shapes are checked against the headers before any array is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from weight_mapping import packing
from weight_mapping.keras_config import Parsed
from weight_mapping.plain import STATISTICS, match, weight_shapes
from weight_mapping.spec import Cell, ConvCell, Custom, Leaf, Path, Plain, leaves
from weight_mapping.weights import Array, CellWeights, LeafWeights

Shape = Sequence[int]
_KERAS_1 = {
    "kernel": "W",
    "bias": "b",
    "embeddings": "W",
    "carry_kernel": "W_carry",
    "carry_bias": "b_carry",
    "alpha": "alphas",
    "moving_mean": "running_mean",
    "moving_variance": "running_std",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """One leaf's arrays in the file's order. `names` are what the file's names end in; `trainable` says of each whether
    training moves it, which decides its place among a composite layer's arrays.

    `settle(shapes)` gives the leaf with every size known, or raises WeightsMismatch; `take(arrays)` the weights; `give`
    is its inverse, the arrays in the file's order."""

    path: Path
    leaf: Leaf
    names: tuple[str, ...]
    trainable: tuple[bool, ...]
    settle: Callable[[Mapping[str, Shape]], Leaf]
    take: Callable[[Mapping[str, Array]], LeafWeights]
    give: Callable[[LeafWeights], list[Array]]

    @property
    def where(self) -> str:
        return "/".join(self.path)


def expectations(parsed: Parsed) -> Iterator[Expectation]:
    """One for every leaf that has weights, in the order of the model's layers."""
    for path, leaf in leaves(parsed.spec):
        frozen = parsed.frozen(path)
        if isinstance(leaf, Cell | ConvCell):
            yield _cell(path, leaf, parsed, frozen)
        elif isinstance(leaf, Plain) and weight_shapes(leaf):
            yield _plain(path, leaf, parsed, frozen)
        elif isinstance(leaf, Custom):
            yield Expectation(
                path=path, leaf=leaf, names=(), trainable=(), settle=partial(_as_is, leaf), take=dict, give=_listed
            )


def _as_is(leaf: Leaf, _: Mapping[str, Shape]) -> Leaf:
    return leaf


def _listed(weights: LeafWeights) -> list[Array]:
    assert isinstance(weights, Mapping)
    return list(weights.values())


def _cell(path: Path, cell: Cell | ConvCell, parsed: Parsed, frozen: bool) -> Expectation:
    format = parsed.stored.layouts[path]
    kind = f"conv_lstm{cell.rank}" if isinstance(cell, ConvCell) else cell.kind
    reset_after = cell.reset_after if isinstance(cell, Cell) else None
    bias = "split" if format == "cudnn" and cell.bias == "single" else cell.bias
    row = packing.layout(format, kind, bias=bias, reset_after=reset_after)
    names = packing.names(row)
    spatial = (
        dict(zip(("z", "y", "x")[-cell.rank :], cell.kernel_size, strict=True)) if isinstance(cell, ConvCell) else {}
    )
    known = {"h": cell.units, **spatial}

    def settle(shapes: Mapping[str, Shape]) -> Leaf:
        return replace(cell, input_size=packing.solve(row, shapes, known)["i"])

    def take(arrays: Mapping[str, Array]) -> LeafWeights:
        weights = packing.unpack_row(row, arrays)
        if bias != cell.bias:
            weights = packing.with_bias(weights, cell.bias)  # CuDNNLSTM: Keras' own layer adds the two halves
        return _turned(weights) if isinstance(cell, ConvCell) and parsed.era.theano else weights

    def give(weights: LeafWeights) -> list[Array]:
        assert isinstance(weights, CellWeights)
        turned = _turned(weights) if isinstance(cell, ConvCell) and parsed.era.theano else weights
        return list(packing.pack_row(row, packing.with_bias(turned, bias)).values())

    trainable = (not frozen,) * len(names)
    return Expectation(
        path=path, leaf=cell, names=tuple(names), trainable=trainable, settle=settle, take=take, give=give
    )


def _turned(weights: CellWeights) -> CellWeights:
    """Theano convolves where the others correlate: each kernel is turned round in its spatial axes, the last."""
    axes = tuple(range(3, weights.kernel.ndim))
    return replace(weights, kernel=np.flip(weights.kernel, axes), recurrent=np.flip(weights.recurrent, axes))


def _plain(path: Path, layer: Plain, parsed: Parsed, frozen: bool) -> Expectation:
    shapes = weight_shapes(layer)
    old = parsed.era.generation == 1
    file_names = tuple(_KERAS_1.get(n, n) if old else n for n in shapes)
    own = dict(zip(file_names, shapes, strict=True))

    def settle(found: Mapping[str, Shape]) -> Leaf:
        sizes: dict[str, int] = {}
        for file_name, name in own.items():
            match(file_name, _file_shape(layer, name, tuple(found[file_name]), old), shapes[name], sizes)
        return layer

    def take(arrays: Mapping[str, Array]) -> LeafWeights:
        return {
            name: _canonical(layer, name, arrays[file_name], old, parsed.era.theano) for file_name, name in own.items()
        }

    def give(weights: LeafWeights) -> list[Array]:
        assert isinstance(weights, Mapping) and not old  # files are written in the words of Keras 2 or 3
        return [_theano(layer, name, weights[name], parsed.era.theano) for name in shapes]

    trainable = tuple(not frozen and name not in STATISTICS for name in shapes)
    return Expectation(
        path=path, leaf=layer, names=file_names, trainable=trainable, settle=settle, take=take, give=give
    )


def _axes(layer: Plain, name: str, shape: Shape, old: bool) -> tuple[int, ...] | None:
    """The order of the file's axes in Keras 2's, where Keras 1 stored a convolution's kernel otherwise; an axis left
    out has size 1. Source: keras/src/legacy/saving of Keras 2, preprocess_weights_for_loading."""
    if old and layer.kind == "separable_conv" and layer.options["channels_first"] and len(shape) == 4:
        return (2, 3, 1, 0)
    if not old or name != "kernel" or layer.kind not in ("conv", "conv_transpose"):
        return None
    rank, size = layer.options["rank"], tuple(layer.options["kernel_size"])
    if len(shape) != max(rank, 2) + 2:  # a kernel over time had an axis of size 1 more; another number fits nothing
        return None
    if rank == 1:
        return (0, 2, 3) if tuple(shape[:2]) == (*size, 1) and shape[3] == layer.options["filters"] else (2, 1, 0)
    if layer.kind == "conv_transpose":
        return (2, 3, 0, 1) if layer.options["channels_first"] else (0, 1, 3, 2)
    if layer.options["channels_first"]:
        return (*range(2, 2 + rank), 1, 0)
    return None


def _file_shape(layer: Plain, name: str, shape: tuple[int, ...], old: bool) -> tuple[int, ...]:
    axes = _axes(layer, name, shape, old)
    return tuple(shape[a] for a in axes) if axes else shape


def _canonical(layer: Plain, name: str, array: Array, old: bool, theano: bool) -> Array:
    axes = _axes(layer, name, array.shape, old)
    if axes:
        left = [a for a in range(array.ndim) if a not in axes]
        array = array.transpose(*axes, *left).reshape([array.shape[a] for a in axes])
    view = _theano(layer, name, array, theano).view()
    view.flags.writeable = False
    return view


def _theano(layer: Plain, name: str, array: Array, theano: bool) -> Array:
    """A convolution's kernel between Theano and the others: turned round in its spatial axes. Its own inverse."""
    convolves = theano and name.endswith("kernel") and "conv" in layer.kind and layer.kind != "local_conv"
    return np.flip(array, tuple(range(layer.options["rank"]))) if convolves else array
