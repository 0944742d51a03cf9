"""Attention as Keras computes it: Attention, AdditiveAttention (Luong, Bahdanau), MultiHeadAttention.

Source: keras/src/layers/attention of Keras 3.15. A masked place's score is -1e9, not minus
infinity: where all are masked, the weights are equal.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from weight_mapping.attending import attended

Parameters = Mapping[str, Tensor]


def attention(
    p: Parameters, o: Mapping[str, Any], inputs: Sequence[Tensor], masks: Sequence[Tensor | None], training: bool
) -> Tensor:
    """Inputs query (B, Tq, d), value (B, Tv, d) and, if given, key; masks in the same order."""
    query, value, key = inputs[0], inputs[1], inputs[2 if len(inputs) > 2 else 1]
    query_mask, value_mask = (*masks, None, None)[:2]
    scores = _scores(p, o, query, key)
    allowed = _allowed(scores, None, value_mask, None, o["causal"])
    if allowed is not None:
        scores = scores.masked_fill(~allowed, _lowest(scores))
    weights = scores.softmax(-1)
    if training and o["dropout"]:
        weights = functional.dropout(weights, o["dropout"])
    result = weights @ value
    return result if query_mask is None else result.masked_fill(~query_mask[..., None], 0)


def _scores(p: Parameters, o: Mapping[str, Any], query: Tensor, key: Tensor) -> Tensor:
    scale: Tensor | float = p.get("scale", torch.ones((), dtype=query.dtype, device=query.device))
    if o["score_mode"] == "dot":
        return query @ key.transpose(-2, -1) * scale
    both = query.unsqueeze(-2) + key.unsqueeze(-3)
    if o["score_mode"] == "additive":
        return (scale * both.tanh()).sum(-1)
    return p["concat_score_weight"] * (scale * both).tanh().sum(-1)


def multi_head_attention(
    p: Parameters, o: Mapping[str, Any], inputs: Sequence[Tensor], masks: Sequence[Tensor | None], training: bool
) -> Tensor:
    """Over time; with more axes, those looked along are one and the others go with the samples."""
    if inputs[0].ndim == 3:
        return _over_time(p, o, inputs, masks, training)
    others, along = attended(o, inputs[0].ndim, masks)
    order = (0, *others, *along)
    turned = [x.permute(*order, x.ndim - 1) for x in inputs]
    flat = [x.flatten(len(others) + 1, -2).flatten(0, len(others)) for x in turned]
    y = _over_time(p, o, flat, (), training)
    return y.reshape(*turned[0].shape[:-1], *y.shape[2:]).movedim(tuple(range(len(order))), order)


def _over_time(
    p: Parameters, o: Mapping[str, Any], inputs: Sequence[Tensor], masks: Sequence[Tensor | None], training: bool
) -> Tensor:
    """Inputs query, value and, if given, key."""
    sources = {"query": inputs[0], "value": inputs[1], "key": inputs[2 if len(inputs) > 2 else 1]}
    q, k, v = (_heads(p, name, sources[name], o["num_heads"]) for name in ("query", "key", "value"))
    scores = torch.einsum("bqhd,bkhd->bhqk", q / math.sqrt(o["key_dim"]), k)
    query_mask, value_mask, key_mask = (*masks, None, None, None)[:3]
    allowed = _allowed(scores, query_mask, value_mask, key_mask, o["causal"], o["window"])
    if allowed is not None:
        scores = scores.masked_fill(~allowed.unsqueeze(1), _lowest(scores))
    weights = scores.softmax(-1)
    if training and o["dropout"]:
        weights = functional.dropout(weights, o["dropout"])
    seen = torch.einsum("bhqk,bkhd->bqhd", weights, v)
    if o["gate"]:
        seen = seen * _heads(p, "gate", sources["query"], o["num_heads"]).sigmoid()
    result = torch.einsum("bqhd,hd...->bq...", seen, p["output_kernel"])
    return result + p["output_bias"] if o["use_bias"] else result


def _heads(p: Parameters, name: str, x: Tensor, heads: int) -> Tensor:
    """Each head's view of x; several heads in a row may share their keys and values."""
    kernel, bias = p[f"{name}_kernel"], p.get(f"{name}_bias")
    times = heads // int(kernel.shape[1])
    projected = torch.einsum("bti,ihd->bthd", x, kernel)
    projected = projected if bias is None else projected + bias
    return projected if times == 1 else projected.repeat_interleave(times, 2)


def _lowest(scores: Tensor) -> float:
    return -3e4 if scores.dtype == torch.float16 else -1e9


def _allowed(
    scores: Tensor,
    query: Tensor | None,
    value: Tensor | None,
    key: Tensor | None,
    causal: bool,
    window: int | None = None,
) -> Tensor | None:
    """(B, Tq, Tk), or what broadcasts to it: which places a query may look at; None where all."""
    rules = [query[:, :, None]] if query is not None else []
    rules += [mask[:, None, :] for mask in (value, key) if mask is not None]
    if causal:
        rules.append(torch.ones_like(scores.flatten(0, -3)[:1], dtype=torch.bool).tril())
    if window:
        every = torch.ones_like(scores.flatten(0, -3)[:1], dtype=torch.bool)
        rules.append(every.tril(window - 1) & every.triu(1 - window))
    allowed: Tensor | None = None
    for rule in rules:
        allowed = rule if allowed is None else allowed & rule
    return allowed
