"""One or more layers of every plain kind, with the shapes of their inputs and the sizes of their weights."""

from __future__ import annotations

from typing import Any, NamedTuple

from weight_mapping.activations import activation, hard_sigmoid
from weight_mapping.plain import plain
from weight_mapping.spec import Plain

_RELU = activation("relu")
_SEQUENCE, _IMAGE, _ODD = (3, 6, 4), (3, 7, 6, 4), (2, 8, 7, 4)


class PlainCase(NamedTuple):
    layer: Plain
    shapes: list[tuple[int, ...]]
    sizes: dict[str, int]
    masks: bool = False
    """Whether the inputs come with random masks over their steps."""


def _case(
    kind: str, *shapes: tuple[int, ...], sizes: dict[str, int] | None = None, masks: bool = False, **o: Any
) -> PlainCase:
    return PlainCase(plain(kind, **o), list(shapes), {"i": 4, "c": 4, "*": 4, **(sizes or {})}, masks)


def _conv(
    kind: str, shape: tuple[int, ...], rank: int, size: tuple[int, ...], strides: tuple[int, ...], **o: Any
) -> PlainCase:
    dilation = o.pop("dilation", (1,) * rank)
    channels = shape[1] if o.get("channels_first") else shape[-1]
    sizes = {"i": channels // o.get("groups", 1), "o": channels * o.get("depth_multiplier", 1)}
    return _case(
        kind, shape, rank=rank, kernel_size=size, strides=strides, dilation=dilation, filters=o.pop("filters", 6),
        sizes=sizes, **o,
    )  # fmt: skip


CASES: dict[str, PlainCase] = {
    "dense": _case("dense", (3, 4), units=5, activation=activation("tanh")),
    "dense on a sequence": _case("dense", _SEQUENCE, units=5, use_bias=False, activation=activation("softmax")),
    "embedding": _case("embedding", (3, 6), input_dim=9, output_dim=5),
    "masking": _case("masking", _SEQUENCE, mask_value=-1.0),
    "identity": _case("identity", _SEQUENCE),
    "dropout": _case("dropout", _SEQUENCE),
    "spatial_dropout": _case("spatial_dropout", _SEQUENCE, rank=1),
    "gaussian_dropout": _case("gaussian_dropout", _SEQUENCE),
    "gaussian_noise": _case("gaussian_noise", _SEQUENCE),
    "alpha_dropout": _case("alpha_dropout", _SEQUENCE),
    "activation": _case("activation", _SEQUENCE, activation=hard_sigmoid(1 / 5)),
    "prelu": _case("prelu", _SEQUENCE),
    "srelu": _case("srelu", _SEQUENCE),
    "parametric_softplus": _case("parametric_softplus", _SEQUENCE),
    "flatten": _case("flatten", _IMAGE),
    "flatten channels first": _case("flatten", _IMAGE, channels_first=True),
    "flatten a vector": _case("flatten", (3,)),
    "reshape": _case("reshape", _SEQUENCE, target_shape=(2, -1)),
    "permute": _case("permute", _IMAGE, dims=(3, 1, 2)),
    "repeat_vector": _case("repeat_vector", (3, 4), n=5),
    "concatenate": _case("concatenate", _SEQUENCE, (3, 2, 4), axis=1),
    "add": _case("add", _SEQUENCE, _SEQUENCE, _SEQUENCE),
    "add fewer axes": _case("add", (3, 4), _SEQUENCE),
    "subtract": _case("subtract", _SEQUENCE, _SEQUENCE),
    "multiply": _case("multiply", _SEQUENCE, _SEQUENCE, _SEQUENCE),
    "average": _case("average", _SEQUENCE, _SEQUENCE, _SEQUENCE),
    "maximum": _case("maximum", _SEQUENCE, _SEQUENCE),
    "minimum": _case("minimum", _SEQUENCE, _SEQUENCE),
    "dot": _case("dot", (3, 6, 4), (3, 5, 6), axes=(1, 2)),
    "dot of vectors": _case("dot", (3, 4), (3, 4), axes=-1, normalize=True),
    "cosine of vectors": _case("cosine", (3, 4), (3, 4), axes=1),
    "dot vector, matrix": _case("dot", (3, 4), (3, 5, 4), axes=(1, 2)),
    "batch_normalization": _case("batch_normalization", _SEQUENCE),
    "batch_normalization axis 1": _case("batch_normalization", (3, 4, 5, 6), axis=1, scale=False),
    "layer_normalization": _case("layer_normalization", _SEQUENCE),
    "layer_normalization axes": _case("layer_normalization", _SEQUENCE, axis=(1, 2), sizes={"c": 6, "d": 4}),
    "layer_normalization rms": _case("layer_normalization", _SEQUENCE, rms=True, center=False),
    "group_normalization": _case("group_normalization", _IMAGE, groups=2),
    "group_normalization axis 1": _case("group_normalization", (3, 4, 5), groups=-1, axis=1, center=False),
    "rms_normalization": _case("rms_normalization", _SEQUENCE),
    "rms_normalization axes": _case("rms_normalization", _SEQUENCE, axis=(1, 2), sizes={"c": 6, "d": 4}),
    "unit_normalization": _case("unit_normalization", _SEQUENCE, axis=(-1,)),
    "normalization": _case("normalization", _SEQUENCE),
    "normalization given": _case("normalization", _SEQUENCE, mean=(0.5, 1, 2, 3), variance=(1, 2, 0.3, 4), invert=True),
    "rescaling": _case("rescaling", _SEQUENCE, scale=0.5, offset=-1.0),
    "conv 1": _conv("conv", _SEQUENCE, 1, (3,), (1,), padding="causal", dilation=(2,), activation=_RELU),
    "conv 2": _conv("conv", _IMAGE, 2, (3, 2), (2, 1), padding="same"),
    "conv 2 start": _conv("conv", _IMAGE, 2, (4, 2), (1, 2), padding="same", pad_start=True, use_bias=False),
    "conv 2 start strides": _conv("conv", _IMAGE, 2, (3, 4), (2, 2), padding="same", pad_start=True),
    "conv 2 groups": _conv("conv", _IMAGE, 2, (2, 2), (1, 1), groups=2),
    "conv 2 channels first": _conv("conv", (3, 4, 7, 6), 2, (2, 3), (2, 2), channels_first=True, padding="same"),
    "conv 3": _conv("conv", (2, 5, 4, 3, 4), 3, (2, 1, 3), (1, 1, 1)),
    "conv_transpose 1": _conv("conv_transpose", _SEQUENCE, 1, (3,), (2,), padding="same", output_padding=None),
    "conv_transpose 2": _conv("conv_transpose", _IMAGE, 2, (2, 5), (3, 2), padding="valid", output_padding=None),
    "conv_transpose 2 same": _conv("conv_transpose", _IMAGE, 2, (4, 5), (2, 2), padding="same", output_padding=None),
    "conv_transpose 2 more": _conv("conv_transpose", _IMAGE, 2, (3, 4), (2, 2), padding="same", output_padding=(1, 0)),
    "conv_transpose 2 start": _conv("conv_transpose", _IMAGE, 2, (3, 4), (2, 2), padding="same", pad_start=True),
    "depthwise_conv": _conv("depthwise_conv", _IMAGE, 2, (3, 2), (2, 2), padding="same", depth_multiplier=3),
    "separable_conv 1": _conv("separable_conv", _SEQUENCE, 1, (3,), (1,), padding="causal", depth_multiplier=2),
    "separable_conv 2": _conv("separable_conv", _IMAGE, 2, (3, 2), (1, 1), padding="same", activation=_RELU),
    "local_conv 1": _case(
        "local_conv", _SEQUENCE, rank=1, filters=5, kernel_size=(3,), strides=(1,), sizes={"p": 4, "w": 12, "x": 4}
    ),
    "local_conv 2": _case(
        "local_conv", _IMAGE, filters=5, kernel_size=(3, 2), strides=(2, 1), activation=_RELU,
        sizes={"p": 15, "w": 24, "y": 3, "x": 5},
    ),
    "local_conv 2 channels first": _case(
        "local_conv", (3, 4, 7, 6), filters=5, kernel_size=(3, 2), strides=(2, 1), channels_first=True,
        sizes={"p": 15, "w": 24, "y": 3, "x": 5},
    ),
    "pool max": _case("pool", _ODD, size=(3, 2), strides=(2, 2), padding="same"),
    "pool avg": _case("pool", _ODD, op="avg", size=(3, 2), strides=(2, 2), padding="same"),
    "pool avg start": _case(
        "pool", _SEQUENCE, op="avg", rank=1, size=(4,), strides=(1,), padding="same", pad_start=True
    ),
    "pool max start": _case("pool", _ODD, size=(5, 2), strides=(2, 2), padding="same", pad_start=True),
    "pool valid": _case("pool", (2, 4, 7, 5), op="avg", size=(3, 2), strides=(2, 2), channels_first=True),
    "global_pool max": _case("global_pool", _IMAGE, keepdims=True),
    "global_pool avg": _case("global_pool", _SEQUENCE, op="avg", rank=1, masks=True),
    "global_pool avg first": _case("global_pool", _IMAGE, op="avg", channels_first=True),
    "zero_padding": _case("zero_padding", _IMAGE, padding=((1, 2), (0, 3))),
    "cropping": _case("cropping", _IMAGE, cropping=((1, 2), (0, 3))),
    "cropping 1": _case("cropping", _SEQUENCE, rank=1, cropping=((2, 0),)),
    "up_sampling": _case("up_sampling", _IMAGE, size=(2, 3)),
    "up_sampling bilinear": _case("up_sampling", _IMAGE, size=(2, 3), interpolation="bilinear"),
    "up_sampling bicubic": _case(
        "up_sampling", (3, 4, 7, 6), size=(2, 3), interpolation="bicubic", channels_first=True
    ),
    "resize": _case("resize", _IMAGE, size=(9, 4)),
    "resize by half": _case("resize", _IMAGE, size=(3, 3), interpolation="lanczos3", antialias=True),
    "center_crop": _case("center_crop", _IMAGE, size=(4, 3)),
    "adaptive_pool": _case("adaptive_pool", _IMAGE, op="avg", size=(3, 4)),
    "adaptive_pool first": _case("adaptive_pool", (3, 4, 7, 6), size=(3, 5), channels_first=True),
    "einsum_dense": _case("einsum_dense", _SEQUENCE, equation="...x,xy->...y", bias_axes="y", sizes={"x": 4, "y": 5}),
    "einsum_dense axes": _case(
        "einsum_dense", _SEQUENCE, equation="btx,xhy->bhyt", bias_axes="yt", activation=_RELU,
        sizes={"x": 4, "h": 2, "y": 3, "t": 6},
    ),
    "attention": _case("attention", (3, 5, 4), (3, 6, 4), use_scale=True, masks=True),
    "attention key": _case("attention", (3, 5, 4), (3, 6, 7), (3, 6, 4), causal=True),
    "attention additive": _case(
        "attention", (3, 5, 4), (3, 6, 4), use_scale=True, score_mode="additive", sizes={"d": 4}
    ),
    "attention concat": _case("attention", (3, 5, 4), (3, 6, 4), use_scale=True, score_mode="concat", masks=True),
    "multi_head_attention": _case(
        "multi_head_attention", (3, 5, 4), (3, 6, 7), num_heads=2, key_dim=3, value_dim=5,
        sizes={"q": 4, "k": 7, "v": 7, "o": 4},
    ),
    "multi_head_attention masked": _case(
        "multi_head_attention", (3, 5, 4), (3, 5, 4), (3, 5, 6), num_heads=3, key_dim=2, value_dim=2, use_bias=False,
        causal=True, masks=True, sizes={"q": 4, "k": 6, "v": 4, "o": 8},
    ),
    "multi_head_attention few keys": _case(
        "multi_head_attention", (3, 6, 4), (3, 6, 4), num_heads=4, key_value_heads=2, key_dim=3, value_dim=3, gate=True,
        window=2, sizes={"q": 4, "k": 4, "v": 4, "o": 4},
    ),
    "multi_head_attention axes": _case(
        "multi_head_attention", (3, 2, 5, 4), (3, 2, 6, 4), num_heads=2, key_dim=3, value_dim=5, axes=(2,),
        output_shape=(3, 2), sizes={"q": 4, "k": 4, "v": 4},
    ),
    "multi_head_attention all axes": _case(
        "multi_head_attention", (3, 2, 5, 4), (3, 3, 2, 4), num_heads=2, key_dim=3, value_dim=5,
        sizes={"q": 4, "k": 4, "v": 4, "o": 4},
    ),
    "highway": _case("highway", (3, 4), activation=activation("tanh")),
    "maxout_dense": _case("maxout_dense", (3, 4), units=5, features=3),
}  # fmt: skip
