"""Inside a Keras cell: what its activations return, and dropout masks in the place of those that it would draw."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def listening(cell: Any) -> Iterator[tuple[list[Any], list[Any]]]:
    """What the cell's recurrent activation and its activation return, in the order of the calls."""
    gates: list[Any] = []
    candidates: list[Any] = []
    before = {n: getattr(cell, n) for n in ("recurrent_activation", "activation") if hasattr(cell, n)}
    try:
        for name, function in before.items():
            setattr(cell, name, _recording(function, gates if name == "recurrent_activation" else candidates))
        yield gates, candidates
    finally:
        for name, function in before.items():
            setattr(cell, name, function)


def _recording(function: Callable[[Any], Any], into: list[Any]) -> Callable[[Any], Any]:
    def recorded(x: Any) -> Any:
        into.append(function(x))
        return into[-1]

    return recorded


@contextmanager
def preset(cell: Any, of_input: Any, of_state: Any) -> Iterator[None]:
    """The masks where Keras 3's cell keeps those that it has drawn, for one run. One mask, a list of one a gate, or
    None where nothing is dropped."""
    for name, mask in (("_dropout_mask", of_input), ("_recurrent_dropout_mask", of_state)):
        if mask is not None:
            setattr(cell, name, mask[0] if isinstance(mask, list) and len(mask) == 1 else mask)
    yield


@contextmanager
def preset_in_keras2(layer: Any, cell: Any, of_input: Any, of_state: Any) -> Iterator[None]:
    """The same in tf_keras: its fast path asks the layer, for a mask of the whole sequence, its slow one the cell at
    every step."""
    whole = [m[:, None] for m in of_input] if isinstance(of_input, list) else None
    places = [
        (cell, "get_dropout_mask_for_cell", of_input),
        (cell, "get_recurrent_dropout_mask_for_cell", of_state),
        (layer, "get_dropout_mask_for_cell", whole),
    ]
    for place, name, answer in places:
        setattr(place, name, _answering(answer))
    try:
        yield
    finally:
        for place, name, _ in places:
            delattr(place, name)


def _answering(answer: Any) -> Callable[..., Any]:
    return lambda *_, **__: answer
