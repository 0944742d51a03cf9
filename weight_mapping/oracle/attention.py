"""Attention: dot product, additive, and many heads. Source: Keras 3.15, `keras/src/layers/attention`.

A masked place gets the score -1e9 in place of its own, so where all are masked the weights are equal, as they come out
in float32.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce

import numpy as np
from numpy.typing import ArrayLike

from weight_mapping.activations import NUMPY
from weight_mapping.attending import attended
from weight_mapping.oracle.images import Function, Inputs, Options, Weights
from weight_mapping.oracle.trace import Bool, Float

_MASKED = -1e9


def _attention(o: Options, w: Weights, inputs: Inputs, masks: Inputs) -> Float:
    """Inputs query (B, Tq, d), value (B, Tv, dv), and key, else the value; the masks of query and value."""
    query, value = inputs[:2]
    key = inputs[2] if len(inputs) > 2 else value
    query_mask, value_mask = (*masks, None, None)[:2]
    visible = _visible(o, query.shape[1], value.shape[1], None, [value_mask])
    y: Float = _weights(_scores(o, w, query, key), visible) @ value
    return y if query_mask is None else np.where(np.asarray(query_mask, bool)[..., None], y, 0)


def _scores(o: Options, w: Weights, query: Float, key: Float) -> Float:
    scale = w["scale"] if o["use_scale"] else 1.0
    if o["score_mode"] == "dot":
        return np.asarray(scale * (query @ key.swapaxes(-1, -2)))
    pairs = query[..., :, None, :] + key[..., None, :, :]
    if o["score_mode"] == "concat":
        return np.asarray(w["concat_score_weight"] * np.tanh(scale * pairs).sum(-1))
    return np.asarray((scale * np.tanh(pairs)).sum(-1))


def _multi_head(o: Options, w: Weights, inputs: Inputs, masks: Inputs) -> Float:
    """Over time; with more axes, those looked along are one and the others go with the samples."""
    if inputs[0].ndim == 3:
        return _heads(o, w, inputs, masks)
    others, along = attended(o, inputs[0].ndim, masks)
    order = (0, *others, *along)
    turned = [x.transpose(*order, -1) for x in inputs]
    flat = [x.reshape(np.prod(x.shape[: len(others) + 1]), -1, x.shape[-1]) for x in turned]
    y = _heads(o, w, flat, ())
    y = y.reshape(*turned[0].shape[:-1], *y.shape[2:])
    return np.moveaxis(y, range(len(order)), order)


def _heads(o: Options, w: Weights, inputs: Inputs, masks: Inputs) -> Float:
    """Inputs query, value, and key, else the value; the masks of all of them hold for the scores (B, heads, T, S)."""
    query, value = inputs[:2]
    key = inputs[2] if len(inputs) > 2 else value
    query_mask, value_mask, key_mask = (*masks, None, None, None)[:3]
    q, k, v = (_projected(o, w, name, x) for name, x in (("query", query), ("key", key), ("value", value)))
    columns = [value_mask] if len(inputs) < 3 else [value_mask, key_mask]
    visible = _visible(o, query.shape[1], value.shape[1], query_mask, columns)
    scores = np.einsum("btnh,bsnh->bnts", q, k) / np.sqrt(o["key_dim"])
    heads = np.einsum("bnts,bsnh->btnh", _weights(scores, None if visible is None else visible[:, None]), v)
    heads = heads * NUMPY.sigmoid(_projected(o, w, "gate", query)) if o["gate"] else heads
    y: Float = np.einsum("btnh,nh...->bt...", heads, w["output_kernel"])
    return y + w["output_bias"] if o["use_bias"] else y


def _projected(o: Options, w: Weights, name: str, x: Float) -> Float:
    """Each head's view of x; several heads in a row may share their keys and values."""
    y: Float = np.einsum("bti,inh->btnh", x, w[f"{name}_kernel"])
    y = y + w[f"{name}_bias"] if o["use_bias"] else y
    return y.repeat(o["num_heads"] // y.shape[2], 2)


def _visible(
    o: Options, queries: int, values: int, rows: ArrayLike | None, columns: Sequence[ArrayLike | None]
) -> Bool | None:
    """Which values each query may see (B or 1, Tq or 1, Tv or 1), or None where all."""
    parts = [np.asarray(mask, bool)[:, None, :] for mask in columns if mask is not None]
    parts += [] if rows is None else [np.asarray(rows, bool)[:, :, None]]
    parts += [np.tril(np.ones((1, queries, values), bool))] if o["causal"] else []
    distance = np.abs(np.arange(queries)[:, None] - np.arange(values))
    parts += [distance[None] < o["window"]] if o.get("window") else []
    return reduce(np.logical_and, parts) if parts else None


def _weights(scores: Float, visible: Bool | None) -> Float:
    return np.asarray(NUMPY.softmax(scores if visible is None else np.where(visible, scores, _MASKED), -1))


FUNCTIONS: Mapping[str, Function] = {"attention": _attention, "multi_head_attention": _multi_head}
