"""The recurrent layers of a model alone, each with an input of its own: what can be ported where a layer around them
is its author's."""

from __future__ import annotations

from dataclasses import replace

from weight_mapping.errors import PortingError
from weight_mapping.spec import (
    Bidirectional,
    Input,
    Layer,
    ModelSpec,
    Node,
    Path,
    Recurrent,
    Ref,
    TimeDistributed,
    output_count,
    parts,
)
from weight_mapping.weights import Portable
from weight_mapping.widths import with_input_shapes


def layers_only(portable: Portable) -> Portable:
    """A model of every recurrent layer side by side, in order: input n goes into layer n alone. A layer inside another
    model is called 'outer/inner'. Raises PortingError where there is none."""
    found = list(_recurrent(portable.spec, ()))
    if not found:
        raise PortingError("no recurrent layer in this file", where=portable.source.path)
    names = {path: "/".join(path) for path, _ in found}
    weights = {
        (names[path], *key[len(path) :]): value
        for path, _ in found
        for key, value in portable.weights.items()
        if key[: len(path)] == path
    }
    nodes = tuple(Node(name=n, layer=n, inputs=(Ref(f"{n}/input"),)) for n in names.values())
    spec = ModelSpec(
        name=f"{portable.spec.name}_layers",
        inputs=tuple(Input(name=f"{n}/input") for n in names.values()),
        layers={names[path]: layer for path, layer in found},
        nodes=nodes,
        outputs=tuple(Ref(names[path], k) for path, layer in found for k in range(output_count(layer))),
    )
    return replace(portable, spec=with_input_shapes(spec, weights), weights=weights)


def _recurrent(layer: Layer, path: Path) -> list[tuple[Path, Recurrent | Bidirectional]]:
    found: list[tuple[Path, Recurrent | Bidirectional]] = []
    for name, part in parts(layer):
        own = (*path, name)
        if isinstance(part, Recurrent | Bidirectional):
            found.append((own, part))
        elif isinstance(part, ModelSpec | TimeDistributed):
            found += _recurrent(part, own)
    return found
