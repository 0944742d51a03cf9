"""Whose class a stored object is: Keras' own, or its author's, whatever name it bears."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_PACKAGES = ("keras", "tf_keras", "builtins", "tensorflow")


def keras_class(value: Mapping[str, Any]) -> str | None:
    """The Keras class that a stored object names, or None where the class is its author's: registered under a package
    of theirs ("package>name"), or out of a module of theirs, as Keras 3 stores it beside a name that may be Keras' own.
    Of a class that a script itself defines Keras 3 stores a registered name and no module; of its own it is the other
    way round. Source: keras/src/saving/serialization_lib.py of Keras 3.15."""
    package, _, name = str(value.get("class_name")).rpartition(">")
    module, registered = value.get("module"), value.get("registered_name")
    places = (package, module, str(registered or "").rpartition(">")[0])
    own = all(_is_keras_own(str(place)) for place in places if place)
    return name if own and (module or not registered) else None


def authors_name(value: Mapping[str, Any]) -> str:
    """What its author calls the class of a stored object: with the package, where one is told."""
    class_name, registered = str(value.get("class_name")), value.get("registered_name")
    return str(registered) if registered and ">" not in class_name else class_name


def own_name(registered: str) -> str:
    """A registered name "package>name" without the package where that is Keras' own; another is its author's."""
    package, _, name = registered.rpartition(">")
    return name if _is_keras_own(package) else registered


def _is_keras_own(place: str) -> bool:
    """Whether a package, or a module by its dotted name, is Keras' own."""
    return place.lower().partition(".")[0] in _PACKAGES
