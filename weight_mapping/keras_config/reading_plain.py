"""A layer around the recurrent ones out of its Keras configuration: each key by the class's row, then what depends on
several keys at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from weight_mapping.errors import DamagedFile, Unsupported, shown
from weight_mapping.keras_config.keys import refuse_unknown
from weight_mapping.keras_config.options import read_option
from weight_mapping.keras_config.plain_layers import CLASSES, OLD_NAMES
from weight_mapping.keras_config.values import integers, uneven, whole
from weight_mapping.keras_config.words import ACTIVATION_LAYERS, Reading, read_activation_layer
from weight_mapping.merging import MERGES
from weight_mapping.plain import KINDS, plain
from weight_mapping.spec import Plain

Options = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a file says of one layer: its class, its configuration under today's keys, by which Keras, and where."""

    class_name: str
    config: Mapping[str, Any]
    reading: Reading
    where: str


def read_plain(class_name: str, config: Mapping[str, Any], reading: Reading, where: str) -> Plain:
    """The layer that a class and its configuration (under today's keys) mean. Raises Unsupported for a key or a word
    that is not understood, DamagedFile for a value of the wrong sort."""
    class_name = OLD_NAMES.get(class_name, class_name).replace("Avg", "Average")
    if class_name in ACTIVATION_LAYERS:
        return plain("activation", activation=read_activation_layer(class_name, config, where))
    row = CLASSES[class_name]
    if row.kind == "identity":  # none of its options counts when the model is used
        return _identity(class_name, reading, where)
    refuse_unknown(class_name, config, {*row.keys, *row.beside}, where)
    options: Options = dict(row.fixed)
    rank = options.get("rank", 1)
    for key, option in row.keys.items():
        if key in config and option in KINDS[row.kind].options:
            options[option] = read_option(row.kind, option, config[key], rank, reading, f"{where}.{key}")
    said = Said(class_name=class_name, config=config, reading=reading, where=where)
    for settle in SETTLING.get(row.kind, ()):
        settle(options, said)
    return plain(row.kind, **options)


def _identity(class_name: str, reading: Reading, where: str) -> Plain:
    if class_name != "Identity":
        reading.note(f"{where}: {class_name} acts in training only, and is left out")
    return plain("identity", ends_mask=reading.era.generation in CLASSES[class_name].ends_mask)


def _once_everywhere(o: Options, _: Said) -> None:
    """A convolution's strides and dilation are 1 where nothing is said of them."""
    for option in ("strides", "dilation"):
        o[option] = o.get(option) or (1,) * o["rank"]


def _start_of_theano(o: Options, said: Said) -> None:
    """Theano pads at the start, which shows where the total is odd."""
    if o.get("padding") == "same" and said.reading.era.theano:
        o["pad_start"] = uneven(o["kernel_size"], o["strides"])


def _cube_of_theano(o: Options, said: Said) -> None:
    """Of Keras 1's Convolution3D the odd cell lies at the end. Source: conv3d of its theano_backend.py."""
    if o.get("pad_start") and o["rank"] == 3 and said.reading.era.generation == 1:
        if set(o["strides"]) != {1}:
            raise Unsupported("Keras 1's Convolution3D on Theano, padded and strided", where=said.where)
        o["pad_start"] = False


def _beyond(o: Options, said: Said) -> None:
    """Keras 1's `output_shape` of a transposed convolution as the output_padding that gives it."""
    if said.config.get("output_shape") is not None:
        o["output_padding"] = _output_padding(o, said.config["output_shape"], said.where)


def _output_padding(o: Mapping[str, Any], shape: Any, where: str) -> tuple[int, ...] | None:
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


def _own_kernels(o: Options, said: Said) -> None:
    o["strides"] = o.get("strides") or (1,) * o["rank"]
    if said.config.get("padding", "valid") != "valid" or said.config.get("implementation", 1) != 1:
        what = "a locally connected layer of implementation 2 or 3"
        raise Unsupported(what, where=said.where, class_name=said.class_name)


def _window_by_window(o: Options, said: Said) -> None:
    """A pool's windows lie side by side where nothing is said of strides."""
    o.setdefault("size", (2,) * o["rank"])
    o["strides"] = o.get("strides") or o["size"]
    if o.get("padding") == "same" and said.reading.era.theano:
        o["pad_start"] = True


def _height_and_width(o: Options, said: Said) -> None:
    o["size"] = tuple(whole(said.config.get(key), f"{said.where}.{key}") for key in ("height", "width"))


def _by_stored_moments(_: Options, said: Said) -> None:
    if said.config.get("mode") not in (None, 0):
        raise Unsupported(
            f"BatchNormalization with mode={shown(said.config['mode'])}", where=said.where, class_name=said.class_name,
            way_out="It normalises by what it is given, not by the moments in the file.",
        )  # fmt: skip


def _scaled_if_additive(o: Options, _: Said) -> None:
    if o.get("score_mode") == "additive":
        o.setdefault("use_scale", True)


def _even_heads(o: Options, said: Said) -> None:
    o["value_dim"] = o.get("value_dim") or o.get("key_dim", 1)
    heads = o.get("num_heads", 1)
    if heads % (o.get("key_value_heads") or 1):
        raise DamagedFile("heads that do not share their keys evenly", where=said.where, found=heads)


def _ends_mask(o: Options, said: Said) -> None:
    o["ends_mask"] = said.reading.era.generation in CLASSES[said.class_name].ends_mask


def _by_any_mask(o: Options, said: Said) -> None:
    o["any_mask"] = said.reading.era.generation >= 3


SETTLING: Mapping[str, tuple[Callable[[Options, Said], None], ...]] = {
    "conv": (_once_everywhere, _start_of_theano, _cube_of_theano),
    "conv_transpose": (_once_everywhere, _start_of_theano, _beyond),
    "depthwise_conv": (_once_everywhere, _start_of_theano),
    "separable_conv": (_once_everywhere, _start_of_theano),
    "local_conv": (_own_kernels,),
    "pool": (_window_by_window,),
    "resize": (_height_and_width,),
    "center_crop": (_height_and_width,),
    "batch_normalization": (_by_stored_moments,),
    "attention": (_scaled_if_additive,),
    "multi_head_attention": (_even_heads,),
    **dict.fromkeys(("normalization", "rescaling"), (_ends_mask,)),
    **dict.fromkeys(("concatenate", *MERGES), (_by_any_mask,)),
}
"""By kind, in order: what becomes of its options when several keys, or the Keras that wrote them, decide together."""
