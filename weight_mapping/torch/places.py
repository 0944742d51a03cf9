"""Where the numbers of a Keras layer go in PyTorch's own modules: a row a class of module."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn

from weight_mapping.errors import Unrepresentable
from weight_mapping.packing import pack, with_bias
from weight_mapping.spec import Cell, Leaf, Plain
from weight_mapping.torch.cells import is_native
from weight_mapping.weights import Array, CellWeights, LeafWeights

Shape = tuple[Any, ...]
Named = dict[str, Array]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What holds one Keras layer's numbers: a module, or one layer and direction of an nn.LSTM, nn.GRU or nn.RNN.

    `shape` is what a layer's own must be (`shape_of`); `names` the module's parameters and buffers that are filled;
    `give(leaf, weights)` their values by name, Unrepresentable where this module computes something else."""

    name: str
    family: str
    shape: Shape
    names: tuple[str, ...]
    give: Callable[[Leaf, LeafWeights], Named]


def places(module: nn.Module) -> Iterator[Place]:
    """The places of every module inside, in the order of registration."""
    for name, part in module.named_modules():
        for kinds, row in _ROWS.items():
            if isinstance(part, kinds):
                yield from row(name, part)
                break


def shape_of(leaf: Leaf, weights: LeafWeights) -> tuple[str, Shape]:
    """(family, shape) of a Keras layer's numbers, as a place states them. The family is the kind where no module of
    PyTorch has such a layer."""
    if isinstance(weights, CellWeights):
        return "recurrent", (weights.kind, weights.units, *weights.kernel.shape[2:])
    assert isinstance(leaf, Plain)
    first = next(iter(weights.values()), np.zeros(0))
    if leaf.kind == "conv":
        *window, inputs, outputs = weights["kernel"].shape
        return "convolution", (inputs, outputs, *window)
    named = {"dense": "linear", "embedding": "embedding", "batch_normalization": "batch normalisation",
             "layer_normalization": "layer normalisation"}  # fmt: skip
    return named.get(leaf.kind, leaf.kind), tuple(first.shape)


def _recurrent(name: str, module: nn.RNNBase) -> Iterator[Place]:
    kind = module.mode.split("_")[0].lower()
    if module.proj_size:
        raise Unrepresentable("an LSTM with proj_size holds no layer of Keras", where=name, class_name="LSTM")
    for depth in range(module.num_layers):
        for suffix in (f"_l{depth}", f"_l{depth}_reverse")[: 1 + module.bidirectional]:
            inputs = module.input_size if depth == 0 else module.hidden_size * (1 + module.bidirectional)
            yield _cell(name, kind, module.hidden_size, inputs, module, suffix)


def _single_cell(name: str, module: nn.RNNCellBase) -> Iterator[Place]:
    kind = type(module).__name__.removesuffix("Cell").lower()
    yield _cell(name, kind, module.hidden_size, module.input_size, module, "")


def _cell(name: str, kind: str, units: int, inputs: int, module: Any, suffix: str) -> Place:
    nonlinearity = getattr(module, "nonlinearity", "tanh") if kind == "rnn" else "tanh"
    biased = ("bias_ih", "bias_hh") if module.bias else ()

    def give(leaf: Leaf, weights: LeafWeights) -> Named:
        assert isinstance(leaf, Cell) and isinstance(weights, CellWeights)
        if not is_native(leaf) or leaf.activation.name != nonlinearity:
            gates = f", {leaf.recurrent_activation}" if kind != "rnn" else ""
            before = ", reset_after=False" if kind == "gru" and not leaf.reset_after else ""
            raise Unrepresentable(
                f"nn.{type(module).__name__} computes another function", found=f"{leaf.activation}{gates}{before}",
                expected=nonlinearity if kind == "rnn" else "tanh, sigmoid", class_name=type(module).__name__,
                way_out="Use the module of weight_mapping.torch.build, which has Keras' activations.",
            )  # fmt: skip
        if module.bias and weights.bias is None:
            weights = with_bias(weights, "split" if kind == "gru" else "single")
        return {f"{array}{suffix}": value for array, value in _biased(pack("torch", weights), module.bias).items()}

    names = tuple(f"{array}{suffix}" for array in ("weight_ih", "weight_hh", *biased))
    return Place(name=name, family="recurrent", shape=(kind, units, inputs), names=names, give=give)


def _biased(arrays: Mapping[str, Array], bias: bool) -> Named:
    """Without the biases, for a module that has none; Unrepresentable where they are not zero."""
    dropped = [array for name, array in arrays.items() if name.startswith("bias") and not bias]
    if any(array.any() for array in dropped):
        raise Unrepresentable("Keras' layer has a bias and the module none", way_out="Make the module with bias=True.")
    return {name: array for name, array in arrays.items() if bias or not name.startswith("bias")}


def _weighted(
    family: str, kernel: str, turn: Callable[[Array], Array], shape: Callable[[nn.Module], Shape]
) -> Callable[[str, Any], Iterator[Place]]:
    """Modules with `weight` and `bias`."""

    def row(name: str, module: Any) -> Iterator[Place]:
        biased = getattr(module, "bias", None) is not None

        def give(_: Leaf, weights: LeafWeights) -> Named:
            assert not isinstance(weights, CellWeights)
            weight = turn(weights[kernel])
            bias = weights.get("bias", np.zeros(weight.shape[0], weight.dtype))
            return {"weight": weight, **({"bias": bias} if "bias" in _biased({"bias": bias}, biased) else {})}

        yield Place(
            name=name, family=family, shape=shape(module), names=("weight", "bias")[: 1 + biased], give=give
        )  # fmt: skip

    return row


def _normalisation(family: str) -> Callable[[str, Any], Iterator[Place]]:
    statistics = {"moving_mean": "running_mean", "moving_variance": "running_var"}

    def row(name: str, module: Any) -> Iterator[Place]:
        names = ("weight", "bias") if module.weight is not None else ()
        kept = tuple(s for s in statistics.values() if getattr(module, s, None) is not None)
        width = tuple(getattr(module, "normalized_shape", None) or (module.num_features,))

        def give(leaf: Leaf, weights: LeafWeights) -> Named:
            assert isinstance(leaf, Plain) and not isinstance(weights, CellWeights)
            epsilon = leaf.options["epsilon"]
            if module.eps != epsilon:
                raise Unrepresentable(
                    "another epsilon", found=f"eps={module.eps:g}", expected=f"{epsilon:g}, as in Keras",
                    class_name=type(module).__name__, way_out=f"Make the module with eps={epsilon:g}.",
                )  # fmt: skip
            like = next(iter(weights.values()))
            scale = {"weight": weights.get("gamma", np.ones_like(like))}
            scale["bias"] = weights.get("beta", np.zeros_like(like))
            found = {own: weights[theirs] for theirs, own in statistics.items() if own in kept}
            return {**{n: scale[n] for n in names}, **found}

        yield Place(name=name, family=family, shape=width, names=(*names, *kept), give=give)

    return row


def _convolution_shape(module: Any) -> Shape:
    return (module.in_channels // module.groups, module.out_channels, *module.kernel_size)


def _channels_first(kernel: Array) -> Array:
    return np.moveaxis(kernel, (-1, -2), (0, 1))


_ROWS: Mapping[Any, Callable[[str, Any], Iterator[Place]]] = {
    nn.RNNBase: _recurrent,
    nn.RNNCellBase: _single_cell,
    nn.Linear: _weighted("linear", "kernel", np.transpose, lambda m: (m.in_features, m.out_features)),
    nn.Embedding: _weighted("embedding", "embeddings", np.asarray, lambda m: (m.num_embeddings, m.embedding_dim)),
    (nn.Conv1d, nn.Conv2d, nn.Conv3d): _weighted("convolution", "kernel", _channels_first, _convolution_shape),
    (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d): _normalisation("batch normalisation"),
    nn.LayerNorm: _normalisation("layer normalisation"),
}
