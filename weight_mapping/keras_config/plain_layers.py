"""Keras' classes of the layers around the recurrent ones, a row a class. `reading_plain` reads a configuration by its
row, `writing_plain` writes one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from weight_mapping.keras_config.words import ACTIVATION_LAYERS

_AT_RANDOM = (
    "Brightness", "ColorDegeneration", "ColorJitter", "Contrast", "ElasticTransform", "Erasing", "Flip", "GaussianBlur",
    "Grayscale", "Height", "Hue", "Invert", "Perspective", "Posterization", "Rotation", "Saturation", "Sharpness",
    "Shear", "Translation", "Width", "Zoom",
)  # fmt: skip
"""What a layer called Random… does to images in training, and to nothing when the model is used; RandomCrop crops."""


@dataclass(frozen=True, slots=True)
class ClassRow:
    """One Keras class: its kind among `weight_mapping.plain.KINDS`, which of its keys is which option of the kind, and
    the options that its name alone says.

    `beside`: keys that are no option by themselves, and are read with others. `unwritten`: keys that some Keras stores
    and the class does not take; `new`: those that it takes in Keras 3 alone. `generations`: the Keras that have it;
    `ends_mask`: those of them where it does not hand on the mask that it is given (`supports_masking`)."""

    kind: str
    keys: Mapping[str, str] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    beside: tuple[str, ...] = ()
    unwritten: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    generations: tuple[int, ...] = (1, 2, 3)
    ends_mask: tuple[int, ...] = ()


def _same(*names: str) -> dict[str, str]:
    return {name: name for name in names}


_CONV_KEYS = {
    **_same("filters", "kernel_size", "strides", "padding", "groups", "activation", "use_bias"),
    "dilation_rate": "dilation",
    "data_format": "channels_first",
}
_PLACE_KEYS = {"data_format": "channels_first"}
_ADAPTIVE_KEYS = {"output_size": "size", **_PLACE_KEYS}
_LOCAL_KEYS = {k: v for k, v in _CONV_KEYS.items() if k not in ("padding", "groups", "dilation_rate")}
_POOL_KEYS = {"pool_size": "size", "strides": "strides", "padding": "padding", "data_format": "channels_first"}
_NORM_KEYS = _same("axis", "epsilon", "center", "scale")
_HEADS_KEYS = {**_same("use_bias", "dropout"), "use_gate": "gate", "sliding_window": "window"}


ByRank = Mapping[int, tuple[str, ...]]


def _ranked(
    pattern: str, kind: str, keys: Mapping[str, str], ranks: tuple[int, ...] = (1, 2, 3), *,
    beside: ByRank = MappingProxyType({}), unwritten: ByRank = MappingProxyType({}), **fixed: Any,
) -> dict[str, ClassRow]:  # fmt: skip
    """A class for each number of axes of space: Conv1D, Conv2D, Conv3D."""
    return {
        pattern.format(rank): ClassRow(
            kind, keys, {"rank": rank, **fixed}, beside=beside.get(rank, ()), unwritten=unwritten.get(rank, ())
        )
        for rank in ranks
    }


def _each(rows: Mapping[str, ClassRow], **changes: Any) -> dict[str, ClassRow]:
    return {class_name: replace(row, **changes) for class_name, row in rows.items()}


CLASSES: dict[str, ClassRow] = {
    "Dense": ClassRow("dense", _same("units", "activation", "use_bias")),
    "Embedding": ClassRow("embedding", _same("input_dim", "output_dim", "mask_zero")),
    "Masking": ClassRow("masking", _same("mask_value")),
    "Identity": ClassRow("identity", ends_mask=(1, 2)),
    "ActivityRegularization": ClassRow("identity"),
    **_each({f"Random{what}": ClassRow("identity") for what in _AT_RANDOM}, generations=(2, 3), ends_mask=(2, 3)),
    "Dropout": ClassRow("dropout", _same("rate", "noise_shape")),
    **_ranked("SpatialDropout{}D", "spatial_dropout", {"rate": "rate", **_PLACE_KEYS}, unwritten={1: ("data_format",)}),
    "GaussianDropout": ClassRow("gaussian_dropout", _same("rate")),
    "GaussianNoise": ClassRow("gaussian_noise", _same("stddev")),
    "AlphaDropout": ClassRow("alpha_dropout", _same("rate")),
    "Activation": ClassRow("activation", _same("activation")),
    "PReLU": ClassRow("prelu", _same("shared_axes")),
    "SReLU": ClassRow("srelu", generations=(1,)),
    "ParametricSoftplus": ClassRow("parametric_softplus", generations=(1,)),
    "Flatten": ClassRow("flatten", _PLACE_KEYS),
    "Reshape": ClassRow("reshape", _same("target_shape")),
    "Permute": ClassRow("permute", _same("dims")),
    "RepeatVector": ClassRow("repeat_vector", _same("n")),
    "Concatenate": ClassRow("concatenate", _same("axis")),
    **{name: ClassRow(name.lower()) for name in ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum")},
    "Dot": ClassRow("dot", _same("axes", "normalize")),
    "BatchNormalization": ClassRow("batch_normalization", {**_NORM_KEYS, "momentum": "momentum"}, beside=("mode",)),
    "LayerNormalization": ClassRow("layer_normalization", {**_NORM_KEYS, "rms_scaling": "rms"}, new=("rms_scaling",)),
    "RMSNormalization": ClassRow("rms_normalization", _same("axis", "epsilon"), generations=(3,)),
    "GroupNormalization": ClassRow("group_normalization", {**_NORM_KEYS, "groups": "groups"}),
    "UnitNormalization": ClassRow("unit_normalization", _same("axis")),
    "Normalization": ClassRow("normalization", _same("axis", "mean", "variance", "invert"), ends_mask=(1, 2)),
    "Rescaling": ClassRow("rescaling", _same("scale", "offset"), ends_mask=(1, 2)),
    **_ranked("Conv{}D", "conv", _CONV_KEYS),
    **_each(
        _ranked(
            "Conv{}DTranspose",
            "conv_transpose",
            {**_CONV_KEYS, **_same("output_padding")},
            beside={2: ("output_shape",)},
        ),
        unwritten=("groups",),
    ),
    **_each(
        _ranked("DepthwiseConv{}D", "depthwise_conv", {**_CONV_KEYS, **_same("depth_multiplier")}, (1, 2)),
        unwritten=("groups", "filters"),
    ),
    **_each(
        _ranked("SeparableConv{}D", "separable_conv", {**_CONV_KEYS, **_same("depth_multiplier")}, (1, 2)),
        unwritten=("groups",),
    ),
    **_each(
        _ranked("LocallyConnected{}D", "local_conv", _LOCAL_KEYS, (1, 2)),
        beside=("padding", "implementation"),
        generations=(1, 2),
    ),
    **_ranked("MaxPooling{}D", "pool", _POOL_KEYS, op="max"),
    **_ranked("AveragePooling{}D", "pool", _POOL_KEYS, op="avg"),
    **_each(_ranked("AdaptiveMaxPooling{}D", "adaptive_pool", _ADAPTIVE_KEYS, op="max"), generations=(3,)),
    **_each(_ranked("AdaptiveAveragePooling{}D", "adaptive_pool", _ADAPTIVE_KEYS, op="avg"), generations=(3,)),
    **_ranked("GlobalMaxPooling{}D", "global_pool", {**_PLACE_KEYS, **_same("keepdims")}, op="max"),
    **_ranked("GlobalAveragePooling{}D", "global_pool", {**_PLACE_KEYS, **_same("keepdims")}, op="avg"),
    **_ranked("ZeroPadding{}D", "zero_padding", {**_same("padding"), **_PLACE_KEYS}, unwritten={1: ("data_format",)}),
    **_ranked("Cropping{}D", "cropping", {**_same("cropping"), **_PLACE_KEYS}, unwritten={1: ("data_format",)}),
    **_ranked(
        "UpSampling{}D",
        "up_sampling",
        {**_same("size", "interpolation"), **_PLACE_KEYS},
        unwritten={1: ("data_format", "interpolation"), 3: ("interpolation",)},
    ),
    "Resizing": ClassRow(
        "resize",
        {**_same("interpolation", "antialias"), **_PLACE_KEYS},
        {"rank": 2},
        generations=(2, 3),
        beside=("height", "width", "fill_mode", "fill_value"),
        new=("antialias", "data_format"),
    ),
    "CenterCrop": ClassRow(
        "center_crop",
        _PLACE_KEYS,
        {"rank": 2},
        generations=(2, 3),
        beside=("height", "width"),
        new=("data_format",),
    ),
    "Attention": ClassRow("attention", _same("use_scale", "score_mode", "dropout", "causal")),
    "AdditiveAttention": ClassRow("attention", _same("use_scale", "dropout", "causal"), {"score_mode": "additive"}),
    "MultiHeadAttention": ClassRow(
        "multi_head_attention",
        {**_HEADS_KEYS, **_same("num_heads", "key_dim", "value_dim", "output_shape"), "attention_axes": "axes"},
        {"key_value_heads": None},
        beside=("query_shape", "key_shape", "value_shape"),
        new=("use_gate", "sliding_window"),
    ),
    "GroupQueryAttention": ClassRow(
        "multi_head_attention",
        {
            **_HEADS_KEYS,
            "num_query_heads": "num_heads",
            "num_key_value_heads": "key_value_heads",
            "head_dim": "key_dim",
        },
        generations=(3,),
    ),
    "EinsumDense": ClassRow("einsum_dense", _same("equation", "output_shape", "activation", "bias_axes")),
    "Highway": ClassRow("highway", _same("activation", "use_bias"), generations=(1,)),
    "MaxoutDense": ClassRow("maxout_dense", _same("units", "use_bias", "features"), generations=(1,)),
}

OLD_NAMES: dict[str, str] = {
    **{f"Convolution{n}D": f"Conv{n}D" for n in (1, 2, 3)},
    **{f"AtrousConvolution{n}D": f"Conv{n}D" for n in (1, 2)},
    **{f"SeparableConvolution{n}D": f"SeparableConv{n}D" for n in (1, 2)},
    **{f"Convolution{n}DTranspose": f"Conv{n}DTranspose" for n in (1, 2, 3)},
    "Deconvolution2D": "Conv2DTranspose",
    "GroupedQueryAttention": "GroupQueryAttention",
    "TimeDistributedDense": "Dense",
    "BatchNormalizationV1": "BatchNormalization",
    "BatchNormalizationV2": "BatchNormalization",
    "SyncBatchNormalization": "BatchNormalization",
    **{f"{op}Pool{n}D": f"{op}Pooling{n}D" for op in ("Max", "Avg", "GlobalMax", "GlobalAvg") for n in (1, 2, 3)},
}
"""Other names of a class: Keras 1's, and TensorFlow's own."""


def known(class_name: str) -> bool:
    return class_name in CLASSES or class_name in OLD_NAMES or class_name in ACTIVATION_LAYERS
