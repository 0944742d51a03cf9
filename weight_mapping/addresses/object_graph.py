"""TensorFlow's object graph, in which a model counts its layers with weights:
'layer_with_weights-1/cell/kernel/.ATTRIBUTES/VARIABLE_VALUE' is the kernel of the second."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from weight_mapping.addresses.found import Found, missing
from weight_mapping.errors import shown
from weight_mapping.expectations import Expectation
from weight_mapping.files.archive import Stored
from weight_mapping.files.object_graph import SUFFIX
from weight_mapping.keras_config import Parsed
from weight_mapping.plain import KINDS
from weight_mapping.spec import Bidirectional, Layer, ModelSpec, Path, Plain, Recurrent, TimeDistributed, leaves

_NUMBERED = "layer_with_weights-"


def by_object_graph(parsed: Parsed, wanted: Sequence[Expectation], named: Mapping[str, Stored]) -> Found:
    models = {name.partition(_NUMBERED)[0] for name in named if _NUMBERED in name}
    within = models.pop().removesuffix("/") if len(models) == 1 else ""
    places = dict(_graph_places(parsed.spec, within, ()))
    found: Found = []
    for one in wanted:
        keys = [f"{places[one.path]}/{_graph_name(one, name)}{SUFFIX}" for name in one.names]
        lost = [key for key in keys if key not in named]
        if lost:
            there = ", ".join(sorted(shown(k) for k in named)[:6])
            raise missing(where=one.where, found=there, expected=f"a variable {lost[0]}")
        found.append((one, tuple(named[key] for key in keys)))
    return found


def _graph_name(one: Expectation, name: str) -> str:
    if isinstance(one.leaf, Plain) and one.leaf.kind == "multi_head_attention":
        role, _, what = name.partition("_")
        return f"_{role}_dense/{what}"
    return name


def _graph_places(layer: Layer, place: str, path: Path) -> Iterator[tuple[Path, str]]:
    match layer:
        case ModelSpec():
            number = 0
            for name, part in layer.layers.items():
                if _has_weights(part):
                    inside = f"{_NUMBERED}{number}"
                    yield from _graph_places(part, f"{place}/{inside}" if place else inside, (*path, name))
                    number += 1
        case Bidirectional():
            yield from _graph_places(layer.forward, f"{place}/forward_layer", (*path, "forward"))
            yield from _graph_places(layer.backward, f"{place}/backward_layer", (*path, "backward"))
        case TimeDistributed():
            yield from _graph_places(layer.layer, f"{place}/layer", (*path, "layer"))
        case Recurrent() if len(layer.cells) == 1:
            yield (*path, "0"), f"{place}/cell"
        case Recurrent():
            yield from (((*path, str(n)), f"{place}/cell/cells/{n}") for n in range(len(layer.cells)))
        case _:
            yield path, place


def _has_weights(layer: Layer) -> bool:
    return any(not isinstance(leaf, Plain) or KINDS[leaf.kind].weights(leaf.options) for _, leaf in leaves(layer))
