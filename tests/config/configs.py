"""Configurations of one layer, as a Keras of some version stores them, read."""

from __future__ import annotations

from typing import Any

from weight_mapping.keras_config import Parsed, parse
from weight_mapping.spec import Bidirectional, Cell, ConvCell, Layer, Recurrent

ERAS = {
    "Keras 1.0": ("1.0.6", None), "Keras 1.2": ("1.2.2", None), "Keras 2.0": ("2.0.0", "tensorflow"),
    "Keras 2.1": ("2.1.6", "tensorflow"), "Keras 2.2": ("2.2.4", "tensorflow"), "Keras 2.3": ("2.3.1", "tensorflow"),
    "Theano": ("2.2.4", "theano"), "tf.keras 1.x": ("2.1.6-tf", "tensorflow"),
    "tf.keras 2.1": ("2.2.4-tf", "tensorflow"), "tf.keras 2.3": ("2.3.0-tf", "tensorflow"),
    "tf.keras 2.6": ("2.6.0", "tensorflow"), "tf.keras 2.15": ("2.15.0", "tensorflow"),
    "Keras 3.0": ("3.0.5", "tensorflow"), "Keras 3.15": ("3.15.1", "jax"),
}  # fmt: skip
"""(version, backend) as the files of each say."""


def parsed(class_name: str, era: str | tuple[str | None, str | None], /, shape: Any = None, **config: Any) -> Parsed:
    """A Sequential of this one layer, 'l'."""
    version, backend = ERAS[era] if isinstance(era, str) else era
    key = "batch_shape" if (version or "").startswith("3") else "batch_input_shape"
    sized = {key: shape} if shape else {}
    layers = [{"class_name": class_name, "config": {"name": "l", **sized, **config}}]
    old = (version or "").startswith("1") or version in ("2.0.0", "2.1.6")
    model = {"class_name": "Sequential", "config": layers if old else {"name": "m", "layers": layers}}
    return parse(model, version, backend)


def read(class_name: str, era: str | tuple[str | None, str | None], /, **config: Any) -> Layer:
    return parsed(class_name, era, **config).spec.layers["l"]


def cell(class_name: str, era: str | tuple[str | None, str | None], /, **config: Any) -> Any:
    """The first cell of a recurrent layer, of the forward one of two."""
    layer = read(class_name, era, **config)
    run = layer.forward if isinstance(layer, Bidirectional) else layer
    assert isinstance(run, Recurrent)
    found = run.cells[0]
    assert isinstance(found, Cell | ConvCell)
    return found


def units(era: str, number: int = 3) -> dict[str, Any]:
    """The key of a layer's width in that era."""
    return {"output_dim" if era.startswith("Keras 1") else "units": number}
