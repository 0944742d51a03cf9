"""The layers around the recurrent ones in ONNX, one function a kind of `weight_mapping.plain.KINDS`.

`FUNCTIONS[kind](options, weights, inputs, masks)` is the layer's output when the model is used. Weights are NumPy's and
become constants; data keep Keras' order of axes, and what an operator wants otherwise is turned around it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from weight_mapping.activations import activation
from weight_mapping.merging import MERGES, merged
from weight_mapping.onnx import attention, images, normalisation
from weight_mapping.onnx import functions as xp
from weight_mapping.onnx.activations import activated
from weight_mapping.onnx.tensor import Tensor
from weight_mapping.plain import KINDS
from weight_mapping.weights import Array

Options = Mapping[str, Any]
Weights = Mapping[str, Array]
Function = Callable[[Options, Weights, Sequence[Tensor], Sequence[Tensor | None]], Tensor]
_SIGMOID, _SOFTPLUS = activation("sigmoid"), activation("softplus")


def _on_first(compute: Callable[[Options, Weights, Tensor], Tensor]) -> Function:
    return lambda o, w, inputs, masks: compute(o, w, inputs[0])


def _merge(kind: str) -> Function:
    return lambda o, w, inputs, masks: merged(kind, o["any_mask"], inputs, masks, xp)


def _linear(x: Tensor, w: Weights, kernel: str = "kernel", bias: str = "bias") -> Tensor:
    y = x @ w[kernel]
    return y + w[bias] if bias in w else y


def _dense(o: Options, w: Weights, x: Tensor) -> Tensor:
    return activated(o["activation"], _linear(x, w))


def _embedding(_o: Options, w: Weights, x: Tensor) -> Tensor:
    return x.graph.op("Gather", x.graph.constant(w["embeddings"], "embeddings"), x.astype(np.int64), axis=0)


def _masking(o: Options, _w: Weights, x: Tensor) -> Tensor:
    counts: Tensor = x != o["mask_value"]
    return x * counts.any(-1, keepdims=True)


def _srelu(_o: Options, w: Weights, x: Tensor) -> Tensor:
    left, right = w["t_left"], w["t_left"] + np.abs(w["t_right"])
    outside = xp.maximum(x - right, 0.0) * w["a_right"] - xp.maximum(-x + left, 0.0) * w["a_left"]
    return xp.minimum(xp.maximum(x, left), right) + outside


def _flatten(o: Options, _w: Weights, x: Tensor) -> Tensor:
    x = xp.moveaxis(x, 1, -1) if o["channels_first"] and x.ndim > 2 else x
    return x.reshape(x.shape[0], -1)


def _product(x: Tensor, y: Tensor, axes: int | tuple[int, int], normalize: bool = False) -> Tensor:
    """The product of two tensors over one axis of each, sample by sample."""
    a, b = (axes, axes) if isinstance(axes, int) else axes
    x, y = xp.moveaxis(x, a, -1), xp.moveaxis(y, b, -1)
    if normalize:
        x, y = (v / xp.sqrt(xp.maximum(xp.sum(v * v, -1, True), 1e-12)) for v in (x, y))
    left, right = (v.reshape(v.shape[0], -1, v.shape[-1]) for v in (x, y))
    return (left @ xp.swapaxes(right, 1, 2)).reshape(x.shape[0], *(x.shape[1:-1] + y.shape[1:-1] or (1,)))


def _cosine(o: Options, _w: Weights, inputs: Sequence[Tensor], _masks: Sequence[Tensor | None]) -> Tensor:
    (x, y), axes = inputs, o["axes"]
    own = xp.sqrt(_product(x, x, axes) * _product(y, y, axes))
    return (_product(x, y, axes) / xp.maximum(own, 1e-7))[:, None]


def _einsum(o: Options, w: Weights, x: Tensor) -> Tensor:
    y = xp.einsum(o["equation"], x, w["kernel"])
    return activated(o["activation"], y + w["bias"] if "bias" in w else y)


def _highway(o: Options, w: Weights, x: Tensor) -> Tensor:
    t = activated(_SIGMOID, _linear(x, w, "carry_kernel", "carry_bias"))
    return t * activated(o["activation"], _linear(x, w)) + (1.0 - t) * x


def _maxout(o: Options, w: Weights, x: Tensor) -> Tensor:
    """The greatest of several linear maps (features, in, units), all in one product."""
    features, width, units = w["kernel"].shape
    y = (x @ w["kernel"].transpose(1, 0, 2).reshape(width, -1)).reshape(*x.shape[:-1], features, units)
    return xp.amax(y + w["bias"] if o["use_bias"] else y, -2)


FUNCTIONS: Mapping[str, Function] = {
    **{kind: _on_first(lambda o, w, x: x) for kind, row in KINDS.items() if row.training_only},
    "identity": _on_first(lambda o, w, x: x),
    "dense": _on_first(_dense),
    "embedding": _on_first(_embedding),
    "masking": _on_first(_masking),
    "activation": _on_first(lambda o, w, x: activated(o["activation"], x)),
    "prelu": _on_first(lambda o, w, x: xp.where(x > 0.0, x, x * w["alpha"])),
    "srelu": _on_first(_srelu),
    "parametric_softplus": _on_first(lambda o, w, x: activated(_SOFTPLUS, x * w["betas"]) * w["alphas"]),
    "flatten": _on_first(_flatten),
    "reshape": _on_first(lambda o, w, x: x.reshape(x.shape[0], *o["target_shape"])),
    "permute": _on_first(lambda o, w, x: x.transpose(0, *o["dims"])),
    "repeat_vector": _on_first(lambda o, w, x: xp.tile(x[:, None], (1, o["n"], 1))),
    "concatenate": lambda o, w, inputs, masks: xp.concatenate(inputs, o["axis"]),
    **{kind: _merge(kind) for kind in MERGES},
    "dot": lambda o, w, inputs, masks: _product(inputs[0], inputs[1], o["axes"], o["normalize"]),
    "cosine": _cosine,
    "rescaling": _on_first(lambda o, w, x: x * np.asarray(o["scale"], float) + np.asarray(o["offset"], float)),
    "einsum_dense": _on_first(_einsum),
    "highway": _on_first(_highway),
    "maxout_dense": _on_first(_maxout),
    **images.FUNCTIONS,
    **normalisation.FUNCTIONS,
    **attention.FUNCTIONS,
}
