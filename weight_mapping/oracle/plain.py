"""The layers around the recurrent ones, one function a kind of `weight_mapping.plain.KINDS`.

`FUNCTIONS[kind](options, weights, inputs, masks)` is the layer's output when the model is used: layers that act in
training only are the identity. Floats are float64; images as the layer has them, `channels_first` or not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from weight_mapping.activations import activation
from weight_mapping.merging import MERGES, merged
from weight_mapping.oracle import attention, images, normalisation
from weight_mapping.oracle.images import Function, Inputs, Options, Weights
from weight_mapping.oracle.trace import Float
from weight_mapping.plain import KINDS

_SIGMOID = activation("sigmoid")


def _on_first(compute: Callable[[Options, Weights, Float], Float]) -> Function:
    def function(o: Options, w: Weights, inputs: Inputs, _masks: Inputs) -> Float:
        return compute(o, w, inputs[0])

    return function


def _merge(kind: str) -> Function:
    return lambda o, w, inputs, masks: np.asarray(merged(kind, o["any_mask"], inputs, masks, np))


def _identity(_o: Options, _w: Weights, x: Float) -> Float:
    return x


def _dense(o: Options, w: Weights, x: Float) -> Float:
    y = x @ w["kernel"]
    return np.asarray(o["activation"].function(y + w["bias"] if o["use_bias"] else y))


def _embedding(_o: Options, w: Weights, x: Float) -> Float:
    return np.asarray(w["embeddings"][x.astype(np.int64)])


def _masking(o: Options, _w: Weights, x: Float) -> Float:
    return np.asarray(x * (x != o["mask_value"]).any(-1, keepdims=True))


def _activation(o: Options, _w: Weights, x: Float) -> Float:
    return np.asarray(o["activation"].function(x))


def _prelu(_o: Options, w: Weights, x: Float) -> Float:
    return np.where(x > 0, x, w["alpha"] * x)


def _srelu(_o: Options, w: Weights, x: Float) -> Float:
    """Three lines, the two knees at t_left and |t_right| to the right of it. Source: SReLU.call of Keras 1.2.2."""
    left, right = w["t_left"], w["t_left"] + np.abs(w["t_right"])
    outside = w["a_right"] * np.maximum(x - right, 0) - w["a_left"] * np.maximum(left - x, 0)
    return np.asarray(left + np.clip(x - left, 0, right - left) + outside)


def _parametric_softplus(_o: Options, w: Weights, x: Float) -> Float:
    return np.asarray(w["alphas"] * np.logaddexp(w["betas"] * x, 0))


def _flatten(o: Options, _w: Weights, x: Float) -> Float:
    x = np.moveaxis(x, 1, -1) if o["channels_first"] and x.ndim > 2 else x
    return x.reshape(x.shape[0], -1)


def _reshape(o: Options, _w: Weights, x: Float) -> Float:
    return x.reshape(x.shape[0], *o["target_shape"])


def _permute(o: Options, _w: Weights, x: Float) -> Float:
    return x.transpose(0, *o["dims"])


def _repeat_vector(o: Options, _w: Weights, x: Float) -> Float:
    return x[:, None].repeat(o["n"], 1)


def _concatenate(o: Options, _w: Weights, inputs: Inputs, _masks: Inputs) -> Float:
    return np.concatenate(list(inputs), o["axis"])


def _product(x: Float, y: Float, axes: int | tuple[int, int], normalize: bool = False) -> Float:
    """The product of two tensors over one axis of each, sample by sample."""
    a, b = (axes, axes) if isinstance(axes, int) else axes
    x, y = np.moveaxis(x, a, -1), np.moveaxis(y, b, -1)
    if normalize:
        x, y = (v / np.sqrt(np.maximum((v * v).sum(-1, keepdims=True), 1e-12)) for v in (x, y))
    batch, width = x.shape[0], x.shape[-1]
    product = x.reshape(batch, -1, width) @ y.reshape(batch, -1, width).swapaxes(1, 2)
    return np.asarray(product.reshape(batch, *(x.shape[1:-1] + y.shape[1:-1] or (1,))))


def _dot(o: Options, _w: Weights, inputs: Inputs, _masks: Inputs) -> Float:
    return _product(inputs[0], inputs[1], o["axes"], o["normalize"])


def _cosine(o: Options, _w: Weights, inputs: Inputs, _masks: Inputs) -> Float:
    """Keras 1's Merge in the mode cos: the product, place by place over the root of either's product with itself, under
    a new axis behind the batch's. Source: Merge.call of Keras 1.2.2."""
    (x, y), axes = inputs, o["axes"]
    with np.errstate(invalid="ignore"):  # between other rows than its own a product may be negative: NaN there too
        own = np.sqrt(_product(x, x, axes) * _product(y, y, axes))
    return np.asarray(_product(x, y, axes) / np.maximum(own, 1e-7))[:, None]


def _rescaling(o: Options, _w: Weights, x: Float) -> Float:
    return x * np.asarray(o["scale"], np.float64) + np.asarray(o["offset"], np.float64)


def _einsum(o: Options, w: Weights, x: Float) -> Float:
    y: Float = np.einsum(o["equation"], x, w["kernel"])
    return np.asarray(o["activation"].function(y + w["bias"] if "bias" in w else y))


def _highway(o: Options, w: Weights, x: Float) -> Float:
    bias, carry_bias = (w["bias"], w["carry_bias"]) if o["use_bias"] else (0, 0)
    t = _SIGMOID.function(x @ w["carry_kernel"] + carry_bias)
    return np.asarray(t * o["activation"].function(x @ w["kernel"] + bias) + (1 - t) * x)


def _maxout(o: Options, w: Weights, x: Float) -> Float:
    y = np.einsum("...i,fiu->...fu", x, w["kernel"])
    return np.asarray((y + w["bias"] if o["use_bias"] else y).max(-2))


FUNCTIONS: Mapping[str, Function] = {
    **{kind: _on_first(_identity) for kind, row in KINDS.items() if row.training_only},
    "identity": _on_first(_identity),
    "dense": _on_first(_dense),
    "embedding": _on_first(_embedding),
    "masking": _on_first(_masking),
    "activation": _on_first(_activation),
    "prelu": _on_first(_prelu),
    "srelu": _on_first(_srelu),
    "parametric_softplus": _on_first(_parametric_softplus),
    "flatten": _on_first(_flatten),
    "reshape": _on_first(_reshape),
    "permute": _on_first(_permute),
    "repeat_vector": _on_first(_repeat_vector),
    "concatenate": _concatenate,
    **{kind: _merge(kind) for kind in MERGES},
    "dot": _dot,
    "cosine": _cosine,
    "rescaling": _on_first(_rescaling),
    "einsum_dense": _on_first(_einsum),
    "highway": _on_first(_highway),
    "maxout_dense": _on_first(_maxout),
    **images.FUNCTIONS,
    **normalisation.FUNCTIONS,
    **attention.FUNCTIONS,
}
