"""What rides along: what of a file's own configuration changes no function and is written back as it was."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_RIDERS = re.compile(r".*_initializer|.*_regularizer|.*_constraint|unit_forget_bias|trainable|seed")


_MODULES = re.compile(r"(tf_)?keras(\.src)?\.(initializers|regularizers|constraints)(\.\w+)*")
_CODE = ("function", "Lambda", "__lambda__")


def with_riders(written: Mapping[str, Any], original: Mapping[str, Any]) -> dict[str, Any]:
    """The written configuration with the initialisers, regularisers, constraints and trainable flags of the original,
    layer by layer where class and place agree. Both are of one generation of Keras."""
    if written.get("class_name") != original.get("class_name"):
        return dict(written)
    mine, theirs = written.get("config"), original.get("config")
    if isinstance(theirs, list):
        theirs = {"layers": theirs}
    if not isinstance(mine, Mapping) or not isinstance(theirs, Mapping):
        return dict(written)
    config = {**mine, **{k: v for k, v in theirs.items() if _RIDERS.fullmatch(k) and _is_keras_own(v)}}
    for key, value in mine.items():
        other = theirs.get(key)
        if key in ("layer", "backward_layer", "cell") and isinstance(value, Mapping) and isinstance(other, Mapping):
            config[key] = with_riders(value, other)
        elif key in ("layers", "cells") and isinstance(value, list) and isinstance(other, list):
            config[key] = _each(value, other)
    return {**written, "config": config}


def _is_keras_own(value: Any) -> bool:
    """Whether a rider names nothing but Keras' own initialisers, regularisers and constraints: what else a Keras would
    look up, the file that is written does not hand on."""
    if isinstance(value, Mapping):
        named = "class_name" in value or "module" in value
        found, module, registered = value.get("class_name"), value.get("module"), value.get("registered_name")
        own = isinstance(found, str) and found.isidentifier() and found not in _CODE
        own = own and (module is None or bool(_MODULES.fullmatch(str(module)))) and registered in (None, found)
        return (own or not named) and all(_is_keras_own(v) for v in value.values())
    if isinstance(value, list):
        return all(_is_keras_own(v) for v in value)
    return not isinstance(value, str) or bool(_MODULES.fullmatch(value)) or value.isidentifier()


def _each(mine: list[Any], theirs: list[Any]) -> list[Any]:
    """By name, since an InputLayer may stand on one side only."""
    named = {_name(t): t for t in theirs if isinstance(t, Mapping)}
    return [with_riders(m, named[_name(m)]) if _name(m) in named else m for m in mine]


def _name(value: Mapping[str, Any]) -> Any:
    config = value.get("config")
    return config.get("name") if isinstance(config, Mapping) else None
