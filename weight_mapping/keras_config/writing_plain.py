"""A layer around the recurrent ones as a Keras class and its configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from weight_mapping.errors import Unrepresentable
from weight_mapping.keras_config.era import Era
from weight_mapping.keras_config.plain_layers import CLASSES, ClassRow
from weight_mapping.keras_config.words import ACTIVATION_LAYERS, write_activation
from weight_mapping.plain import KINDS
from weight_mapping.spec import Plain


def write_plain(layer: Plain, target: Era, where: str) -> tuple[str, dict[str, Any]]:
    """(class name, configuration) by which the `target` knows the layer. Raises Unrepresentable for what it has no word
    for."""
    if layer.kind == "activation":
        return _write_activation_layer(layer, target, where)
    if layer.kind == "identity":
        return ("Identity" if target.generation >= 3 or layer.options["ends_mask"] else "ActivityRegularization"), {}
    class_name, row = _row_of(layer, target, where)
    untaken = {*row.unwritten, *(row.new if target.generation < 3 else ())}
    _refuse_lost(layer, class_name, {k: o for k, o in row.keys.items() if k in untaken}, target, where)
    _refuse_unstated(layer, class_name, target, where)
    config = {
        key: _written(layer, option, target, where)
        for key, option in row.keys.items()
        if option in layer.options and key not in untaken and key != "causal"  # which stands in the call
    }
    config.update(_named(layer))
    if class_name == "MultiHeadAttention" and target.generation < 3:  # asked for by its from_config; None: when called
        config.update(dict.fromkeys(("query_shape", "key_shape", "value_shape")))
    return class_name, config


def _refuse_unstated(layer: Plain, class_name: str, target: Era, where: str) -> None:
    """Unrepresentable where the target has the class and its keys, and not what this layer does."""
    o = layer.options
    if o.get("pad_start") and not target.theano:
        raise Unrepresentable(
            "padding that starts with the odd cell (Theano's) has no word in today's Keras", where=where
        )
    if class_name == "Conv3DTranspose" and target.generation < 3 and set(o["dilation"]) != {1}:
        raise Unrepresentable("Keras 2 ignores the dilation of a Conv3DTranspose", where=where)
    if o.get("interpolation") in ("gaussian", "mitchellcubic") and target.generation >= 3:
        raise Unrepresentable(f"Keras 3 does not resize by {o['interpolation']}", where=where)


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
