"""Models as configurations, arrays as a file's headers, and which array each leaf of a model gets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from weight_mapping.addresses import locate
from weight_mapping.expectations import expectations
from weight_mapping.files.archive import Archive, Stored
from weight_mapping.keras_config import parse

WAY_OUT = r"The weights belong to another configuration, or the file is incomplete\.$"
Config = dict[str, Any]


def layer(class_name: str, name: str, **config: Any) -> Config:
    return {"class_name": class_name, "config": {"name": name, **config}}


def model(name: str, *layers: Config) -> Config:
    return {"class_name": "Sequential", "config": {"name": name, "layers": list(layers)}}


def stored(name: str, *shape: int, dtype: str = "f4", path: str | None = None) -> Stored:
    return Stored(name=name, path=path or name, shape=shape, dtype=np.dtype(dtype))


def lstm(prefix: str = "", width: int = 5, units: int = 3, end: str = ":0") -> list[Stored]:
    shapes = {"kernel": (width, 4 * units), "recurrent_kernel": (units, 4 * units), "bias": (4 * units,)}
    return [stored(f"{prefix}{name}{end}", *shape) for name, shape in shapes.items()]


def found(model_layers: Iterable[Config], version: str = "3.15.1", **held: Any) -> dict[str, tuple[str, ...]]:
    """The names of the arrays that each leaf gets, in its own order."""
    parsed = parse(model("m", *model_layers), version, "tensorflow")
    archive = Archive(container="a test's", path=Path("w"), sha256="", reader=lambda _: np.zeros(()), **held)
    return {
        "/".join(one.path): tuple(header.name for header in headers)
        for one, headers in locate(parsed, list(expectations(parsed)), archive)
    }


def by_name(arrays: Iterable[Stored]) -> Mapping[str, Stored]:
    return {one.name: one for one in arrays}


CELLS = [layer(f"{kind}Cell", f"c{n}", units=3) for n, kind in enumerate(("LSTM", "LSTM", "GRU", "SimpleRNN", "GRU"))]
MANY = [
    layer("LSTM", "one", units=3), layer("Dense", "d", units=3), layer("LSTM", "two", units=3),
    layer("Bidirectional", "both", layer=layer("GRU", "g", units=3)),
    layer("TimeDistributed", "each", layer=layer("Dense", "t", units=3)), layer("RNN", "stack", cell=CELLS),
    layer("ConvLSTM2D", "image", filters=2, kernel_size=2), layer("Dropout", "drop", rate=0.5),
    model("inner", layer("LSTM", "x", units=3), layer("LSTM", "y", units=3)), layer("BatchNormalization", "norm"),
    layer("LSTM", "three", units=3), model("other", layer("LSTM", "z", units=3)),
    layer("TimeDistributed", "steps", layer=model("inside", layer("LSTM", "v", units=3), layer("LSTM", "w", units=3))),
]  # fmt: skip
WITH_OWN = [MANY[0], layer("Mine>Own", "own"), *MANY[1:]]
