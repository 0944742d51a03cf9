"""What becomes of every key of a layer's configuration: renamed, riding along, or read by the layer's row."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from weight_mapping.errors import Unsupported, shown

RIDES = re.compile(
    r"name|trainable|dtype|input_dtype|batch_input_shape|batch_shape|input_shape|input_length|input_dim|build_config|"
    r"build_input_shape|.*_initializer|.*_regularizer|.*_constraint|init|.*_init|unit_forget_bias|"
    r"weights|seed|quantization_config|lora_rank|lora_alpha|unroll|implementation|consume_less|sparse|ragged|optional|"
    r"autocast|synchronized|renorm|renorm_momentum|renorm_clipping|fused|virtual_batch_size|experimental_.*|"
    r"input_spec|supports_masking|num_constants|arguments_.*|layer_dtype|shared_weights|cudnn_.*|activity_.*|flash_attention|"
    r"module|registered_name|output_shape_mask"
)
"""Keys that do not change what the trained layer computes; they ride in the source's configuration."""

RENAMED: Mapping[str, str] = {
    "output_dim": "units",
    "inner_activation": "recurrent_activation",
    "dropout_W": "dropout",
    "dropout_U": "recurrent_dropout",
    "bias": "use_bias",
    "nb_filter": "filters",
    "filter_length": "kernel_size",
    "border_mode": "padding",
    "subsample": "strides",
    "subsample_length": "strides",
    "pool_length": "pool_size",
    "stride": "strides",
    "atrous_rate": "dilation_rate",
    "dim_ordering": "data_format",
    "p": "rate",
    "nb_feature": "features",
    "length": "size",
}
"""Keras 1's names of today's keys."""

_ORDERINGS = {"th": "channels_first", "tf": "channels_last"}


def renamed(class_name: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """A Keras 1 layer's configuration under today's keys."""
    keep = {"output_dim"} if class_name == "Embedding" else set()
    new = {k if k in keep else RENAMED.get(k, k): v for k, v in config.items()}
    for joined, split in (
        ("kernel_size", ("nb_row", "nb_col")),
        ("kernel_size", ("kernel_dim1", "kernel_dim2", "kernel_dim3")),
    ):
        if set(split) <= new.keys():
            new[joined] = [new.pop(k) for k in split]
    for word, today in _ORDERINGS.items():
        if new.get("data_format") == word:
            new["data_format"] = today
    if "sigma" in new:
        new["rate" if class_name == "GaussianDropout" else "stddev"] = new.pop("sigma")
    if class_name == "Embedding":
        new.pop("dropout", None)  # drops whole words in training
    return new


def refuse_unknown(class_name: str, config: Mapping[str, Any], known: set[str], where: str) -> None:
    """Unsupported for a key that no row reads and that is set: its effect would be lost without a word."""
    for key, value in config.items():
        if key not in known and not RIDES.fullmatch(key) and value not in (None, False, 0, [], {}, ""):
            raise Unsupported(
                f"unknown option {shown(key)} of {shown(class_name)}",
                where=where,
                class_name=class_name,
                found=f"{shown(key)}={shown(value)}",
                way_out="The port would lose its effect without a word.",
            )
