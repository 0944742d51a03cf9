"""What a drafted configuration leaves open: a text in place of a value, which begins with `OPEN` and goes on with what
is likely. Whoever knows the model writes the value there; a configuration with a mark left is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from weight_mapping.errors import PortingError, shown

OPEN = "OPEN: "


def questions(config: object, where: str = "") -> Iterator[tuple[str, str]]:
    """(place, what is likely) for every choice that is still open. A layer's place is its name."""
    if isinstance(config, str):
        if config.startswith(OPEN.rstrip()):
            yield where, config.removeprefix(OPEN.rstrip()).lstrip()
    elif isinstance(config, Mapping):
        inner = config.get("config")
        name = inner.get("name") if isinstance(inner, Mapping) and "layers" not in inner else None
        own = f"{where}/{name}".lstrip("/") if isinstance(name, str) else where
        for key, value in config.items():
            if key != "name":
                yield from questions(value, own if key in ("config", "layers") else f"{own}.{key}".lstrip("."))
    elif isinstance(config, list | tuple):
        for value in config:
            yield from questions(value, where)


def refuse_open(config: Mapping[str, Any]) -> None:
    """PortingError that lists what is still open in a drafted configuration."""
    left = [f"{shown(place)} ({shown(likely)}?)" for place, likely in questions(config)]
    if left:
        raise PortingError(
            f"{len(left)} choices of the drafted configuration are open", found=", ".join(left[:8]),
            expected=f"the value in place of each text that begins with {OPEN.strip()}",
            way_out="The weights can't tell them: edit the file, from the code or the paper that made the model.",
        )  # fmt: skip


def with_likely(config: Any) -> Any:
    """The configuration with what is likely in place of every open choice: good for its layers' shapes, not for what
    they compute."""
    if isinstance(config, Mapping):
        return {key: with_likely(value) for key, value in config.items()}
    if isinstance(config, list):
        return [with_likely(value) for value in config]
    if not (isinstance(config, str) and config.startswith(OPEN.rstrip())):
        return config
    likely = config.removeprefix(OPEN.rstrip()).lstrip()
    for words in (likely, likely.partition(",")[0]):
        try:
            return json.loads(words)
        except ValueError:
            continue
    return words
