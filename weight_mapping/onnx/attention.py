"""Attention in ONNX: dot product, additive, and many heads. Source: Keras 3.15, `keras/src/layers/attention`.

A masked place gets the score -1e9 in place of its own, so where all are masked the weights are equal.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import reduce

import numpy as np

from weight_mapping.attending import attended
from weight_mapping.errors import Unrepresentable
from weight_mapping.onnx import functions as xp
from weight_mapping.onnx.images import Function, Options, Weights
from weight_mapping.onnx.tensor import Tensor

_MASKED = -1e9
Inputs = Sequence[Tensor]
Masks = Sequence[Tensor | None]


def _attention(o: Options, w: Weights, inputs: Inputs, masks: Masks) -> Tensor:
    """Inputs query (B, Tq, d), value (B, Tv, dv), and key, else the value; the masks of query and value."""
    query, value, key = inputs[0], inputs[1], inputs[2 if len(inputs) > 2 else 1]
    query_mask, value_mask = (*masks, None, None)[:2]
    visible = _visible(o, query, value, None, [value_mask])
    y = _weights(_scores(o, w, query, key), visible) @ value
    return y if query_mask is None else xp.where(query_mask[:, :, None], y, 0.0)


def _scores(o: Options, w: Weights, query: Tensor, key: Tensor) -> Tensor:
    scale = np.asarray(w["scale"] if o["use_scale"] else 1.0)
    if o["score_mode"] == "dot":
        return (query @ xp.swapaxes(key, -1, -2)) * scale
    pairs = query[..., :, None, :] + key[..., None, :, :]
    if o["score_mode"] == "concat":
        return xp.sum(xp.tanh(pairs * scale), -1) * w["concat_score_weight"]
    return xp.sum(xp.tanh(pairs) * scale, -1)


def _multi_head(o: Options, w: Weights, inputs: Inputs, masks: Masks) -> Tensor:
    """Over time; with more axes, those looked along are one and the others go with the samples."""
    if inputs[0].ndim == 3:
        return _over_time(o, w, inputs, masks)
    others, along = attended(o, inputs[0].ndim, masks)
    order = (0, *others, *along)
    turned = [x.transpose(*order, x.ndim - 1) for x in inputs]
    y = _over_time(o, w, [_flat(x, len(others) + 1) for x in turned], ())
    return xp.moveaxis(y.reshape(*turned[0].shape[:-1], *y.shape[2:]), range(len(order)), order)


def _flat(x: Tensor, kept: int) -> Tensor:
    """The first `kept` axes as one, those between as another, the last."""
    lengths = [n for n in x.shape[kept:-1] if isinstance(n, int)]
    if len(lengths) < x.ndim - 1 - kept:
        raise Unrepresentable("an attention over several axes of open size", where="MultiHeadAttention")
    return x.reshape(-1, math.prod(lengths), x.shape[-1])


def _over_time(o: Options, w: Weights, inputs: Inputs, masks: Masks) -> Tensor:
    """Inputs query, value, and key, else the value; the masks of all of them hold for the scores (B, heads, T, S)."""
    query, value, key = inputs[0], inputs[1], inputs[2 if len(inputs) > 2 else 1]
    query_mask, value_mask, key_mask = (*masks, None, None, None)[:3]
    q, k, v = (_projected(o, w, name, x) for name, x in (("query", query), ("key", key), ("value", value)))
    columns = [value_mask] if len(inputs) < 3 else [value_mask, key_mask]
    visible = _visible(o, query, value, query_mask, columns)
    scores = xp.einsum("btnh,bsnh->bnts", q, k) / math.sqrt(o["key_dim"])
    heads = xp.einsum("bnts,bsnh->btnh", _weights(scores, None if visible is None else visible[:, None]), v)
    if o["gate"]:
        heads = heads * xp.sigmoid(_projected(o, w, "gate", query))
    kernel = w["output_kernel"]
    y = xp.einsum("btnh,nho->bto", heads, kernel.reshape(*kernel.shape[:2], -1))
    y = y if kernel.ndim == 3 else y.reshape(*y.shape[:2], *kernel.shape[2:])
    return y + w["output_bias"] if o["use_bias"] else y


def _projected(o: Options, w: Weights, name: str, x: Tensor) -> Tensor:
    """Each head's view of x; several heads in a row may share their keys and values."""
    times = o["num_heads"] // w[f"{name}_kernel"].shape[1]
    y = xp.einsum("bti,inh->btnh", x, w[f"{name}_kernel"].repeat(times, 1))
    return y + w[f"{name}_bias"].repeat(times, 0) if o["use_bias"] else y


def _visible(
    o: Options, query: Tensor, value: Tensor, rows: Tensor | None, columns: Sequence[Tensor | None]
) -> Tensor | None:
    """Which values each query may see (B or 1, Tq or 1, Tv or 1), or None where all."""
    parts = [mask.astype(bool)[:, None, :] for mask in columns if mask is not None]
    parts += [] if rows is None else [rows.astype(bool)[:, :, None]]
    if o["causal"]:
        past, now = xp.arange(value.graph, value.shape[1]), xp.arange(query.graph, query.shape[1])
        parts.append(past[None, None, :] <= now[None, :, None])
    if o.get("window"):
        past, now = xp.arange(value.graph, value.shape[1]), xp.arange(query.graph, query.shape[1])
        parts.append(xp.abs(past[None, None, :] - now[None, :, None]) < o["window"])
    return reduce(lambda one, other: one & other, parts) if parts else None


def _weights(scores: Tensor, visible: Tensor | None) -> Tensor:
    return xp.softmax(scores if visible is None else xp.where(visible, scores, _MASKED), -1)


FUNCTIONS: Mapping[str, Function] = {"attention": _attention, "multi_head_attention": _multi_head}
