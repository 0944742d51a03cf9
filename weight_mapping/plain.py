"""The layers around the recurrent ones: each kind's options, weights and what it does to a mask, one row a kind.

`weights` lists the arrays in Keras' order with their shapes; a letter stands for a size that the weights tell.
`mask`: pass (the mask goes on), stop (it ends here), make (the layer makes one), merge (of several inputs' masks).
Two options say what one Keras does otherwise than another: `ends_mask`, that a mask ends where another's would go on;
`any_mask`, that a step counts where any input's mask lets it, not where every mask does.
The computations are in `oracle.plain` (NumPy), `torch.plain` and `onnx.plain`; tests hold the tables to the same kinds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from weight_mapping.activations import activation
from weight_mapping.errors import WeightsMismatch
from weight_mapping.merging import MERGES
from weight_mapping.spec import Plain

Shape = tuple[int | str, ...]
Options = Mapping[str, Any]
_LINEAR = activation("linear")


@dataclass(frozen=True, slots=True)
class Row:
    """One kind: its options with their defaults, its weights, its way with masks. `training_only`: the identity when
    the model is evaluated. `moves`: its output is its inputs' numbers, at other places."""

    options: Options = field(default_factory=dict)
    weights: Callable[[Options], dict[str, Shape]] = lambda options: {}
    mask: str = "pass"
    training_only: bool = False
    moves: bool = False


def plain(kind: str, **options: Any) -> Plain:
    """A layer of this kind, with the row's defaults for what is not given."""
    row = KINDS[kind]
    unknown = options.keys() - row.options.keys()
    if unknown:
        raise TypeError(f"{kind} has no option {', '.join(sorted(unknown))}")
    return Plain(kind=kind, options={**row.options, **options})


def weight_shapes(layer: Plain) -> dict[str, Shape]:
    """The layer's weights in Keras' order, each with its shape."""
    return KINDS[layer.kind].weights(layer.options)


def match(name: str, found: Sequence[int], expected: Shape, sizes: dict[str, int]) -> None:
    """Raise WeightsMismatch unless an array's shape is the expected one; `sizes` learns what each letter stands for."""
    if tuple(expected) == ("*",):
        return
    fits = len(found) == len(expected) and all(
        size == (sizes.setdefault(want, size) if isinstance(want, str) else want)
        for size, want in zip(found, expected, strict=True)
    )
    if not fits:
        wanted = tuple(sizes.get(w, w) if isinstance(w, str) else w for w in expected)
        raise WeightsMismatch("wrong shape", where=name, found=tuple(found), expected=wanted)


def _bias(o: Options, size: int | str, name: str = "bias") -> dict[str, Shape]:
    return {name: (size,)} if o["use_bias"] else {}


def _dense(o: Options) -> dict[str, Shape]:
    return {"kernel": ("i", o["units"]), **_bias(o, o["units"])}


def _conv(o: Options) -> dict[str, Shape]:
    return {"kernel": (*o["kernel_size"], "i", o["filters"]), **_bias(o, o["filters"])}


def _conv_transpose(o: Options) -> dict[str, Shape]:
    return {"kernel": (*o["kernel_size"], o["filters"], "i"), **_bias(o, o["filters"])}


def _depthwise(o: Options) -> dict[str, Shape]:
    return {"depthwise_kernel": (*o["kernel_size"], "i", o["depth_multiplier"]), **_bias(o, "o")}


def _separable(o: Options) -> dict[str, Shape]:
    depthwise = (*o["kernel_size"], "i", o["depth_multiplier"])
    return {
        "depthwise_kernel": depthwise,
        "pointwise_kernel": (*(1,) * o["rank"], "o", o["filters"]),
        **_bias(o, o["filters"]),
    }


def _scale_and_center(o: Options, axes: int = 1) -> dict[str, Shape]:
    shape = tuple("cde"[:axes])
    return {**({"gamma": shape} if o["scale"] else {}), **({"beta": shape} if o["center"] else {})}


def _batch_norm(o: Options) -> dict[str, Shape]:
    return {**_scale_and_center(o), "moving_mean": ("c",), "moving_variance": ("c",)}


def _layer_norm(o: Options) -> dict[str, Shape]:
    # With rms_scaling Keras has gamma always and beta never (LayerNormalization.build, Keras 3.15).
    return _scale_and_center({"scale": True, "center": False} if o["rms"] else o, len(o["axis"]))


def _attention(o: Options) -> dict[str, Shape]:
    scale: dict[str, Shape] = {"scale": () if o["score_mode"] != "additive" else ("d",)} if o["use_scale"] else {}
    return {**scale, **({"concat_score_weight": ()} if o["score_mode"] == "concat" else {})}


def _multi_head(o: Options) -> dict[str, Shape]:
    heads, few, key, value = o["num_heads"], o["key_value_heads"] or o["num_heads"], o["key_dim"], o["value_dim"]
    gate = [("gate", "q", heads, value)] if o["gate"] else []
    parts = [("query", "q", heads, key), ("key", "k", few, key), *gate, ("value", "v", few, value)]
    shapes: dict[str, Shape] = {}
    for name, source, several, width in parts:
        shapes[f"{name}_kernel"] = (source, several, width)
        if o["use_bias"]:
            shapes[f"{name}_bias"] = (several, width)
    out: Shape = tuple(o["output_shape"]) if isinstance(o["output_shape"], tuple) else (o["output_shape"] or "o",)
    return {**shapes, "output_kernel": (heads, value, *out), **({"output_bias": out} if o["use_bias"] else {})}


def _local(o: Options) -> dict[str, Shape]:
    """A kernel for every place of the output, its window and channels in one axis (Keras 2's implementation 1)."""
    places = ("y", "x")[-o["rank"] :]
    return {"kernel": ("p", "w", o["filters"]), **({"bias": (*places, o["filters"])} if o["use_bias"] else {})}


def _einsum(o: Options) -> dict[str, Shape]:
    """The bias spans the output's axes from the first of `bias_axes` on, 1 where it is the same along one."""
    kernel, _, output = o["equation"].partition(",")[2].partition("->")
    bias_axes = o["bias_axes"] or ""
    first = min((output.index(axis) for axis in bias_axes if axis in output), default=len(output))
    bias = tuple(axis if axis in bias_axes else 1 for axis in output[first:])
    return {"kernel": tuple(kernel), **({"bias": bias} if bias else {})}


def _highway(o: Options) -> dict[str, Shape]:
    bias: dict[str, Shape] = {"bias": ("i",), "carry_bias": ("i",)} if o["use_bias"] else {}
    return {"kernel": ("i", "i"), "carry_kernel": ("i", "i"), **bias}


def _maxout(o: Options) -> dict[str, Shape]:
    bias: dict[str, Shape] = {"bias": (o["features"], o["units"])} if o["use_bias"] else {}
    return {"kernel": (o["features"], "i", o["units"]), **bias}


_IMAGE = {"rank": 2, "channels_first": False}
_CONV = {
    **_IMAGE,
    "filters": 1,
    "kernel_size": (1, 1),
    "strides": (1, 1),
    "padding": "valid",
    "dilation": (1, 1),
    "groups": 1,
    "activation": _LINEAR,
    "use_bias": True,
    "pad_start": False,
}
_ENDS = {"ends_mask": False}
_ATTENTION = {"use_scale": False, "score_mode": "dot", "causal": False, "dropout": 0.0}

STATISTICS = frozenset({"moving_mean", "moving_variance", "mean", "variance", "count"})
"""Weights that no gradient moves: what a layer has seen of its data."""

KINDS: dict[str, Row] = {
    "dense": Row({"units": 1, "activation": _LINEAR, "use_bias": True}, _dense),
    "embedding": Row(
        {"input_dim": 1, "output_dim": 1, "mask_zero": False},
        lambda o: {"embeddings": (o["input_dim"], o["output_dim"])},
        "make",
    ),
    "masking": Row({"mask_value": 0.0}, mask="make"),
    "identity": Row(_ENDS, moves=True),
    "dropout": Row({"rate": 0.5, "noise_shape": None}, training_only=True),
    "spatial_dropout": Row({**_IMAGE, "rate": 0.5}, training_only=True),
    "gaussian_dropout": Row({"rate": 0.5}, training_only=True),
    "gaussian_noise": Row({"stddev": 1.0}, training_only=True),
    "alpha_dropout": Row({"rate": 0.5}, training_only=True),
    "activation": Row({"activation": _LINEAR}),
    "prelu": Row({"shared_axes": (), "rank": None}, lambda o: {"alpha": ("*",)}),
    "srelu": Row(weights=lambda o: dict.fromkeys(("t_left", "a_left", "t_right", "a_right"), ("*",))),
    "parametric_softplus": Row(weights=lambda o: {"alphas": ("*",), "betas": ("*",)}),
    "flatten": Row({"channels_first": False}, mask="stop", moves=True),
    "reshape": Row({"target_shape": (-1,)}, mask="stop", moves=True),
    "permute": Row({"dims": (1,)}, mask="stop", moves=True),
    "repeat_vector": Row({"n": 1}, mask="stop", moves=True),
    "concatenate": Row({"axis": -1, "any_mask": False}, mask="merge", moves=True),
    **{kind: Row({"any_mask": False}, mask="merge") for kind in MERGES},
    "dot": Row({"axes": -1, "normalize": False}, mask="stop"),
    "cosine": Row({"axes": -1}, mask="stop"),
    "batch_normalization": Row(
        {"axis": -1, "epsilon": 1e-3, "momentum": 0.99, "center": True, "scale": True}, _batch_norm
    ),
    "layer_normalization": Row(
        {"axis": (-1,), "epsilon": 1e-3, "center": True, "scale": True, "rms": False}, _layer_norm
    ),
    "group_normalization": Row(
        {"groups": 32, "axis": -1, "epsilon": 1e-3, "center": True, "scale": True}, _scale_and_center
    ),
    "rms_normalization": Row(
        {"axis": (-1,), "epsilon": 1e-6}, lambda o: {"scale": tuple("cde"[: len(o["axis"])])}, mask="stop"
    ),
    "unit_normalization": Row({"axis": (-1,)}),
    "normalization": Row(
        {"axis": (-1,), "mean": None, "variance": None, "invert": False, **_ENDS},
        lambda o: {} if o["mean"] is not None else {"mean": ("*",), "variance": ("*",), "count": ()},
    ),
    "rescaling": Row({"scale": 1.0, "offset": 0.0, **_ENDS}),
    "conv": Row(_CONV, _conv, "stop"),
    "conv_transpose": Row({**_CONV, "output_padding": None}, _conv_transpose, "stop"),
    "depthwise_conv": Row({**_CONV, "depth_multiplier": 1}, _depthwise, "stop"),
    "separable_conv": Row({**_CONV, "depth_multiplier": 1}, _separable, "stop"),
    "local_conv": Row(
        {**_IMAGE, **{k: _CONV[k] for k in ("filters", "kernel_size", "strides", "activation", "use_bias")}},
        _local,
        "stop",
    ),
    "pool": Row(
        {**_IMAGE, "op": "max", "size": (2, 2), "strides": (2, 2), "padding": "valid", "pad_start": False}, mask="stop"
    ),
    "adaptive_pool": Row({**_IMAGE, "op": "max", "size": (1, 1)}, mask="stop"),
    "global_pool": Row({**_IMAGE, "op": "max", "keepdims": False}, mask="stop"),
    "zero_padding": Row({**_IMAGE, "padding": ((1, 1), (1, 1))}, mask="stop"),
    "cropping": Row({**_IMAGE, "cropping": ((0, 0), (0, 0))}, mask="stop", moves=True),
    "up_sampling": Row({**_IMAGE, "size": (2, 2), "interpolation": "nearest"}, mask="stop"),
    "resize": Row({**_IMAGE, "size": (1, 1), "interpolation": "bilinear", "antialias": False}, mask="stop"),
    "center_crop": Row({**_IMAGE, "size": (1, 1)}, mask="stop"),
    "attention": Row(_ATTENTION, _attention, "query"),
    "multi_head_attention": Row(
        {
            "num_heads": 1,
            "key_dim": 1,
            "value_dim": 1,
            "use_bias": True,
            "dropout": 0.0,
            "causal": False,
            "output_shape": None,
            "key_value_heads": None,
            "gate": False,
            "window": None,
            "axes": None,
        },
        _multi_head,
        "query",
    ),
    "einsum_dense": Row(
        {"equation": "...x,xy->...y", "output_shape": None, "activation": _LINEAR, "bias_axes": None}, _einsum, "stop"
    ),
    "highway": Row({"activation": _LINEAR, "use_bias": True}, _highway),
    "maxout_dense": Row({"units": 1, "features": 4, "use_bias": True}, _maxout),
}
