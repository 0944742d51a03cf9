"""Files that are sound, however strange: they may be ported, and what they say is shown harmlessly."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np

from attacks.changed_h5 import Make, h5, layers_of, text


def named(name: str) -> Make:
    """The LSTM under another name, in the configuration and in the file."""

    def attack(file: Any) -> None:
        config = json.loads(file.attrs["model_config"])
        old = layers_of(config)[0]["config"]["name"]
        layers_of(config)[0]["config"]["name"] = name
        file.attrs["model_config"] = json.dumps(config)
        group = file["model_weights"]
        stored = name.encode() if "\0" not in name else b"nul"
        group.move(old, stored.decode())
        group.attrs["layer_names"] = np.array([stored], dtype="S")

    return h5(attack)


NAMES = {
    "tag": "<img src=x onerror=alert(1)>", "script": "</script><script>alert(1)", "escape": "a\x1b[2J\x1b]0;owned\x07b",
    "bidi": "a\u202eb\u2066c", "long": "x" * 20_000, "dots": "..", "CON": "CON", "emoji": "\U0001f9ec\u200d\u2728",
    "lines": "a\nb\r\nlstm-parity: all is well", "markup": "[bold red]a[/]",
    "format": "{0.__class__}%s{{7*7}}", "C1": "a\x9b2Jb",
}  # fmt: skip

STRANGE: Mapping[str, Make] = {
    **{f"name {key}": named(name) for key, name in NAMES.items()},
    "version is a program": text("keras_version", "__import__('os').system('touch canary')\x1b[2J"),
    "version of digits": text("keras_version", "9" * 6000),
    "many groups": h5(lambda file: [h5py.h5g.create(file.id, f"{n}".encode()) for n in range(2000)] and None),
}
"""Files that are sound, however strange: they may be ported, and what they say is shown harmlessly."""
