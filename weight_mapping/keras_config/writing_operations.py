"""An operation of a spec -> Keras 3's words: what it is made with, and what its calls take."""

from __future__ import annotations

import inspect
from typing import Any

from weight_mapping.errors import Unrepresentable, shown
from weight_mapping.operations import keywords_of
from weight_mapping.operations.table import KERAS3, ROWS
from weight_mapping.spec import Operation, Slot

_KERAS3_NAMES = {canonical: name for name, canonical in reversed(KERAS3.items())}
_MODULES = {
    **dict.fromkeys(
        ("Sigmoid", "Relu", "Relu6", "LeakyRelu", "Silu", "Softplus", "Softmax", "Elu", "Selu", "Gelu"), "nn"
    ),
    **dict.fromkeys(("Softsign", "HardSigmoid", "LogSigmoid", "LogSoftmax", "OneHot", "Normalize"), "nn"),
    **dict.fromkeys(("Cast", "StopGradient", "Unstack"), "core"),
    "Rsqrt": "math",
    "Norm": "linalg",
}
"""The module of keras.src.ops that Keras 3 looks an operation up in, where it is not numpy."""
_IN_THE_CALL = {"x", "x1", "x2", "xs", "condition", "key", "indices"}
_CONFIGURED = {"shape": "newshape"}
"""Keras 3's name of a formula's parameter, where it has another."""


def write_operation(name: str, layer: Operation) -> dict[str, Any]:
    """The stored object of an operation in Keras 3's words; older ones are refused where the call is written."""
    class_name = _KERAS3_NAMES.get(layer.name)
    if class_name is None:
        raise Unrepresentable(
            f"Keras 3 has no operation {layer.name}", where=shown(name), way_out="Save as .safetensors."
        )
    _, settings = _sorted_out(name, layer)
    return {
        "module": f"keras.src.ops.{_MODULES.get(class_name, 'numpy')}",
        "class_name": class_name,
        "config": {"name": name, **settings},
        "registered_name": class_name,
    }


def call_arguments(name: str, layer: Operation) -> list[Any]:
    """What a call of the operation takes in Keras 3, in order; the rest is its configuration."""
    return _sorted_out(name, layer)[0]


def _sorted_out(name: str, layer: Operation) -> tuple[list[Any], dict[str, Any]]:
    """(the call's arguments, the configuration): Keras 3 gives axes, shapes and the like when the operation is made."""
    signature = inspect.signature(ROWS[layer.name].formula)
    parameters = [p for p in signature.parameters.values() if p.name != "xp"]
    keywords = keywords_of(layer, signature)
    if parameters and parameters[0].kind is inspect.Parameter.VAR_POSITIONAL:
        called, settings = list(layer.arguments), keywords
    else:
        given = {**dict(zip((p.name for p in parameters), layer.arguments, strict=False)), **keywords}
        called = [given[p.name] for p in parameters if p.name in given and p.name in _IN_THE_CALL]
        settings = {k: v for k, v in given.items() if k not in _IN_THE_CALL}
    odd = [k for k, v in settings.items() if k.startswith("adj_") or _slots(v)]
    if odd or any(isinstance(v, str) for v in called):
        raise Unrepresentable(
            f"Keras 3's {layer.name} does not take {odd[0] if odd else 'an equation'} in its call",
            where=shown(name),
            way_out="Save as .safetensors.",
        )
    return called, {_CONFIGURED.get(k, k): v for k, v in settings.items()}


def _slots(value: Any) -> bool:
    return isinstance(value, Slot) or (isinstance(value, list | tuple) and any(_slots(v) for v in value))
