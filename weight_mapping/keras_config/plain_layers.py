"""Keras' classes of the layers around the recurrent ones: a row a class, read both ways."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from weight_mapping.errors import DamagedFile, Unrepresentable, Unsupported, shown
from weight_mapping.keras_config.era import Era
from weight_mapping.keras_config.keys import refuse_unknown
from weight_mapping.keras_config.options import read_option
from weight_mapping.keras_config.values import integers, uneven, whole
from weight_mapping.keras_config.words import (
    ACTIVATION_LAYERS,
    Reading,
    read_activation_layer,
    write_activation,
)
from weight_mapping.plain import KINDS, plain
from weight_mapping.spec import Plain

_AT_RANDOM = (
    "Brightness", "ColorDegeneration", "ColorJitter", "Contrast", "ElasticTransform", "Erasing", "Flip", "GaussianBlur",
    "Grayscale", "Height", "Hue", "Invert", "Perspective", "Posterization", "Rotation", "Saturation", "Sharpness",
    "Shear", "Translation", "Width", "Zoom",
)  # fmt: skip
"""What a layer called Random… does to images in training, and to nothing when the model is used; RandomCrop crops."""


@dataclass(frozen=True, slots=True)
class ClassRow:
    """One Keras class: the kind, which of its keys is which option, what its name alone says, and the generations that
    have it."""

    kind: str
    keys: Mapping[str, str] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    generations: tuple[int, ...] = (1, 2, 3)


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


def _ranked(
    pattern: str, kind: str, keys: Mapping[str, str], ranks: tuple[int, ...] = (1, 2, 3), **fixed: Any
) -> dict[str, ClassRow]:
    return {pattern.format(rank): ClassRow(kind, keys, {"rank": rank, **fixed}) for rank in ranks}


def _only(generations: tuple[int, ...], rows: Mapping[str, ClassRow]) -> dict[str, ClassRow]:
    return {class_name: replace(row, generations=generations) for class_name, row in rows.items()}


CLASSES: dict[str, ClassRow] = {
    "Dense": ClassRow("dense", _same("units", "activation", "use_bias")),
    "Embedding": ClassRow("embedding", _same("input_dim", "output_dim", "mask_zero")),
    "Masking": ClassRow("masking", _same("mask_value")),
    "Identity": ClassRow("identity"),
    "ActivityRegularization": ClassRow("identity"),
    **_only((2, 3), {f"Random{what}": ClassRow("identity") for what in _AT_RANDOM}),
    "Dropout": ClassRow("dropout", _same("rate", "noise_shape")),
    **_ranked("SpatialDropout{}D", "spatial_dropout", {"rate": "rate", "data_format": "channels_first"}),
    "GaussianDropout": ClassRow("gaussian_dropout", _same("rate")),
    "GaussianNoise": ClassRow("gaussian_noise", _same("stddev")),
    "AlphaDropout": ClassRow("alpha_dropout", _same("rate")),
    "Activation": ClassRow("activation", _same("activation")),
    "PReLU": ClassRow("prelu", _same("shared_axes")),
    "SReLU": ClassRow("srelu", generations=(1,)),
    "ParametricSoftplus": ClassRow("parametric_softplus", generations=(1,)),
    "Flatten": ClassRow("flatten", {"data_format": "channels_first"}),
    "Reshape": ClassRow("reshape", _same("target_shape")),
    "Permute": ClassRow("permute", _same("dims")),
    "RepeatVector": ClassRow("repeat_vector", _same("n")),
    "Concatenate": ClassRow("concatenate", _same("axis")),
    **{name: ClassRow(name.lower()) for name in ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum")},
    "Dot": ClassRow("dot", _same("axes", "normalize")),
    "BatchNormalization": ClassRow("batch_normalization", {**_NORM_KEYS, "momentum": "momentum"}),
    "LayerNormalization": ClassRow("layer_normalization", {**_NORM_KEYS, "rms_scaling": "rms"}),
    "RMSNormalization": ClassRow("rms_normalization", _same("axis", "epsilon"), generations=(3,)),
    "GroupNormalization": ClassRow("group_normalization", {**_NORM_KEYS, "groups": "groups"}),
    "UnitNormalization": ClassRow("unit_normalization", _same("axis")),
    "Normalization": ClassRow("normalization", _same("axis", "mean", "variance", "invert")),
    "Rescaling": ClassRow("rescaling", _same("scale", "offset")),
    **_ranked("Conv{}D", "conv", _CONV_KEYS),
    **_ranked("Conv{}DTranspose", "conv_transpose", {**_CONV_KEYS, "output_padding": "output_padding"}),
    **_ranked("DepthwiseConv{}D", "depthwise_conv", {**_CONV_KEYS, "depth_multiplier": "depth_multiplier"}, (1, 2)),
    **_ranked("SeparableConv{}D", "separable_conv", {**_CONV_KEYS, "depth_multiplier": "depth_multiplier"}, (1, 2)),
    **_only((1, 2), _ranked("LocallyConnected{}D", "local_conv", _LOCAL_KEYS, (1, 2))),
    **_ranked("MaxPooling{}D", "pool", _POOL_KEYS, op="max"),
    **_ranked("AveragePooling{}D", "pool", _POOL_KEYS, op="avg"),
    **{
        class_name: replace(row, generations=(3,))
        for op, name in (("max", "Max"), ("avg", "Average"))
        for class_name, row in _ranked(f"Adaptive{name}Pooling{{}}D", "adaptive_pool", _ADAPTIVE_KEYS, op=op).items()
    },
    **_ranked(
        "GlobalMaxPooling{}D", "global_pool", {"data_format": "channels_first", "keepdims": "keepdims"}, op="max"
    ),
    **_ranked(
        "GlobalAveragePooling{}D",
        "global_pool",
        {"data_format": "channels_first", "keepdims": "keepdims"},
        op="avg",
    ),
    **_ranked("ZeroPadding{}D", "zero_padding", {"padding": "padding", "data_format": "channels_first"}),
    **_ranked("Cropping{}D", "cropping", {"cropping": "cropping", "data_format": "channels_first"}),
    **_ranked(
        "UpSampling{}D",
        "up_sampling",
        {"size": "size", "data_format": "channels_first", "interpolation": "interpolation"},
    ),
    "Resizing": ClassRow("resize", {**_same("interpolation", "antialias"), **_PLACE_KEYS}, {"rank": 2}, (2, 3)),
    "CenterCrop": ClassRow("center_crop", _PLACE_KEYS, {"rank": 2}, (2, 3)),
    "Attention": ClassRow("attention", {**_same("use_scale", "score_mode", "dropout"), "causal": "causal"}),
    "AdditiveAttention": ClassRow(
        "attention", {"use_scale": "use_scale", "dropout": "dropout", "causal": "causal"}, {"score_mode": "additive"}
    ),
    "MultiHeadAttention": ClassRow(
        "multi_head_attention",
        {**_HEADS_KEYS, **_same("num_heads", "key_dim", "value_dim", "output_shape"), "attention_axes": "axes"},
        {"key_value_heads": None},
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


def read(class_name: str, config: Mapping[str, Any], reading: Reading, where: str) -> Plain:
    """The layer that a class and its configuration (under today's keys) mean."""
    class_name = OLD_NAMES.get(class_name, class_name).replace("Avg", "Average")
    if class_name in ACTIVATION_LAYERS:
        return plain("activation", activation=read_activation_layer(class_name, config, where))
    row = CLASSES[class_name]
    if row.kind == "identity":  # none of its options counts when the model is used
        return _identity(class_name, reading, where)
    refuse_unknown(class_name, config, {*row.keys, *_EXTRA.get(class_name, ())}, where)
    options: dict[str, Any] = dict(row.fixed)
    rank = options.get("rank", 1)
    for key, option in row.keys.items():
        if key in config and option in KINDS[row.kind].options:
            options[option] = read_option(row.kind, option, config[key], rank, reading, f"{where}.{key}")
    return _settled(class_name, row.kind, options, config, reading, where)


def _identity(class_name: str, reading: Reading, where: str) -> Plain:
    if class_name != "Identity":
        reading.note(f"{where}: {class_name} acts in training only, and is left out")
    return plain("identity")


_EXTRA = {
    "BatchNormalization": {"mode"},
    "Conv2DTranspose": {"output_shape"},
    "Resizing": {"height", "width", "fill_mode", "fill_value"},
    "CenterCrop": {"height", "width"},
    "Dense": {"input_dim"},
    "Embedding": {"mask_zero"},
    "MultiHeadAttention": {"query_shape", "key_shape", "value_shape"},
    **{f"LocallyConnected{n}D": {"padding", "implementation"} for n in (1, 2)},
    "UpSampling2D": {"interpolation"},
}


def _settled(
    class_name: str, kind: str, options: dict[str, Any], config: Mapping[str, Any], reading: Reading, where: str
) -> Plain:
    """What depends on several keys at once."""
    rank = options.get("rank", 1)
    if kind == "pool":
        options.setdefault("size", (2,) * rank)
        options["strides"] = options.get("strides") or options["size"]
    if "strides" in KINDS[kind].options and kind != "pool":
        options["strides"] = options.get("strides") or (1,) * rank
    if "dilation" in KINDS[kind].options:
        options["dilation"] = options.get("dilation") or (1,) * rank
    if kind == "local_conv" and (config.get("padding", "valid") != "valid" or config.get("implementation", 1) != 1):
        raise Unsupported("a locally connected layer of implementation 2 or 3", where=where, class_name=class_name)
    if "pad_start" in KINDS[kind].options and options.get("padding") == "same" and reading.era.theano:
        options["pad_start"] = kind == "pool" or uneven(options["kernel_size"], options["strides"])
    if options.get("pad_start") and kind == "conv" and rank == 3 and reading.era.generation == 1:
        if set(options["strides"]) != {1}:
            raise Unsupported("Keras 1's Convolution3D on Theano, padded and strided", where=where)
        options["pad_start"] = False  # its odd cell lies at the end (conv3d of its theano_backend.py)
    if kind == "multi_head_attention":
        options["value_dim"] = options.get("value_dim") or options.get("key_dim", 1)
        heads = options.get("num_heads", 1)
        if heads % (options.get("key_value_heads") or 1):
            raise DamagedFile("heads that do not share their keys evenly", where=where, found=heads)
    if kind == "batch_normalization" and config.get("mode") not in (None, 0):
        raise Unsupported(
            f"BatchNormalization with mode={shown(config['mode'])}", where=where, class_name=class_name,
            way_out="It normalises by what it is given, not by the moments in the file.",
        )  # fmt: skip
    if kind == "conv_transpose" and config.get("output_shape") is not None:
        options["output_padding"] = _beyond(options, config["output_shape"], where)
    if kind in ("resize", "center_crop"):
        options["size"] = tuple(whole(config.get(key), f"{where}.{key}") for key in ("height", "width"))
    if class_name == "AdditiveAttention":
        options.setdefault("use_scale", True)
    return plain(kind, **options)


def _beyond(o: Mapping[str, Any], shape: Any, where: str) -> tuple[int, ...] | None:
    """The output_padding by which a transposed convolution gives Keras 1's `output_shape`; None where it is the shape
    that it gives anyway."""
    space = shape[2:] if o.get("channels_first") else shape[1:-1]
    sizes = integers(space, where, 1)
    windows = list(zip(sizes, o["kernel_size"], o["strides"], strict=True))
    if o.get("padding") == "same":
        if any(n % s for n, _, s in windows):
            raise Unsupported(
                "a Deconvolution2D whose output_shape is no multiple of its strides", where=where, found=sizes,
                class_name="Deconvolution2D",
            )  # fmt: skip
        return None
    more = tuple((n - k) % s for n, k, s in windows)
    return None if more == tuple(max(s - k, 0) for _, k, s in windows) else more


def write(layer: Plain, target: Era, where: str) -> tuple[str, dict[str, Any]]:
    """(class name, configuration) by which the `target` knows the layer."""
    if layer.kind == "activation":
        return _write_activation_layer(layer, target, where)
    if layer.kind == "identity":
        return ("Identity" if target.generation >= 3 else "ActivityRegularization"), {}
    class_name, row = _row_of(layer, target, where)
    unsaid = _unsaid(layer, target)
    _refuse_lost(layer, class_name, {k: o for k, o in row.keys.items() if k in unsaid - {"causal"}}, target, where)
    config = {
        key: _written(layer, option, target, where)
        for key, option in row.keys.items()
        if option in layer.options and key not in unsaid
    }
    if layer.options.get("pad_start") and not target.theano:
        raise Unrepresentable(
            "padding that starts with the odd cell (Theano's) has no word in today's Keras", where=where
        )
    if class_name == "Conv3DTranspose" and target.generation < 3 and set(layer.options["dilation"]) != {1}:
        raise Unrepresentable("Keras 2 ignores the dilation of a Conv3DTranspose", where=where)
    if layer.options.get("interpolation") in ("gaussian", "mitchellcubic") and target.generation >= 3:
        raise Unrepresentable(f"Keras 3 does not resize by {layer.options['interpolation']}", where=where)
    config.update(_named(layer))
    if class_name == "MultiHeadAttention" and target.generation < 3:  # asked for by its from_config; None: when called
        config.update(dict.fromkeys(("query_shape", "key_shape", "value_shape")))
    return class_name, config


def _refuse_lost(layer: Plain, class_name: str, lost: Mapping[str, str], target: Era, where: str) -> None:
    """Unrepresentable where a key that the target's class does not take says something."""
    usual = KINDS[layer.kind].options
    for key, option in lost.items():
        if layer.options.get(option) != usual.get(option):
            raise Unrepresentable(f"{target}'s {class_name} has no {key}", where=where, found=layer.options[option])


def _row_of(layer: Plain, target: Era, where: str) -> tuple[str, ClassRow]:
    fitting = [
        (class_name, row)
        for class_name, row in CLASSES.items()
        if (row.kind == layer.kind and target.generation in row.generations)
        and all(layer.options[k] == v for k, v in row.fixed.items())
    ]
    if fitting:
        return max(fitting, key=lambda found: len(found[1].fixed))  # AdditiveAttention before Attention
    raise Unrepresentable(f"{target} has no class for {layer.kind}", where=where, way_out="Save as .safetensors.")


def _unsaid(layer: Plain, target: Era) -> set[str]:
    """Keys that some file has and the target's class does not take; causal stands in the call."""
    keys = {"causal", *_WITHOUT.get(layer.kind, ())}
    if layer.kind in ("zero_padding", "cropping", "up_sampling", "spatial_dropout") and layer.options["rank"] == 1:
        keys.add("data_format")
    if layer.kind == "up_sampling" and layer.options["rank"] != 2:
        keys.add("interpolation")
    if target.generation < 3:
        keys |= {"rms_scaling", "use_gate", "sliding_window", "antialias"}
        keys |= {"data_format"} if layer.kind in ("resize", "center_crop") else set()
    return keys


_WITHOUT = {
    "conv_transpose": ("groups",),
    "separable_conv": ("groups",),
    "depthwise_conv": ("groups", "filters"),
}


def _named(layer: Plain) -> dict[str, Any]:
    """What one option says in several keys."""
    if layer.kind in ("resize", "center_crop"):
        return dict(zip(("height", "width"), layer.options["size"], strict=True))
    return {}


def _written(layer: Plain, option: str, target: Era, where: str) -> Any:
    value = layer.options[option]
    if option == "activation":
        return write_activation(value, target, f"{where}.activation")
    if option == "channels_first":
        return "channels_first" if value else "channels_last"
    if option in ("padding", "cropping", "size") and layer.options["rank"] == 1 and isinstance(value, tuple):
        return _listed(value[0])  # UpSampling1D of Keras 2 takes no list
    return _listed(value)


def _listed(value: Any) -> Any:
    return [_listed(v) for v in value] if isinstance(value, tuple) else value


def _write_activation_layer(layer: Plain, target: Era, where: str) -> tuple[str, dict[str, Any]]:
    value = layer.options["activation"]
    try:
        return "Activation", {"activation": write_activation(value, target, where)}
    except Unrepresentable:
        for class_name, (row, keys) in ACTIVATION_LAYERS.items():
            if row == value.name:
                given = dict(value.parameters)
                names = (
                    {v: k for k, v in reversed(list(keys.items()))}
                    if target.generation >= 3
                    else {v: k for k, v in keys.items()}
                )
                return class_name, {names[p]: v for p, v in given.items() if p in names}
        raise
