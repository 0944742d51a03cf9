"""Keras 3's tree of objects, in which containers count their members by snake-cased class names:
'layers/lstm_1/cell/vars/0' is the kernel of the second LSTM."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from weight_mapping import layer_names
from weight_mapping.addresses.found import Found, missing
from weight_mapping.errors import shown
from weight_mapping.expectations import Expectation
from weight_mapping.files.archive import Stored
from weight_mapping.keras_config import Parsed
from weight_mapping.spec import (
    Bidirectional,
    Custom,
    Layer,
    ModelSpec,
    Operation,
    Path,
    Plain,
    Recurrent,
    TimeDistributed,
)


def by_tree(
    parsed: Parsed, wanted: Sequence[Expectation], tree: Mapping[str, Stored], names: Mapping[str, str]
) -> Found:
    """`names`: the layers' own by their groups in the tree, where the file tells them."""
    places = dict(tree_places(parsed, parsed.spec, "", (), names))
    found: Found = []
    for one in wanted:
        place = places[one.path]
        if isinstance(one.leaf, Custom):
            found.append((one, tuple(s for key, s in tree.items() if key.startswith(f"{place}/"))))
            continue
        found.append((one, tuple(_tree_array(parsed, tree, place, one, n) for n in range(len(one.names)))))
    return found


def _tree_array(parsed: Parsed, tree: Mapping[str, Stored], place: str, one: Expectation, n: int) -> Stored:
    for key in tree_keys(parsed, place, one, n):
        if key in tree:
            return tree[key]
    raise missing(
        where=f"{one.where}/{one.names[n]}",
        found=", ".join(sorted(shown(k) for k in tree)[:6]) or "an empty file",
        expected=f"an array at {tree_keys(parsed, place, one, n)[0]}",
    )


def tree_keys(parsed: Parsed, place: str, one: Expectation, n: int) -> list[str]:
    """Where an array may lie, the place that this Keras itself writes first."""
    if isinstance(one.leaf, Plain) and one.leaf.kind == "multi_head_attention":
        role, _, what = one.names[n].partition("_")
        # Keras 3 finds the many-headed attention's parts under their properties, which others and its gate lack.
        public = parsed.era.generation >= 3 and one.leaf.options["key_value_heads"] is None and role != "gate"
        prefixes = ("", "_") if public else ("_", "")
        return [f"{place}/{prefix}{role}_dense/vars/{'0' if what == 'kernel' else '1'}" for prefix in prefixes]
    return [f"{place}/vars/{n}"]


def tree_places(
    parsed: Parsed, layer: Layer, place: str, path: Path, names: Mapping[str, str]
) -> Iterator[tuple[Path, str]]:
    """(leaf path, its group in the tree) for every leaf of a layer at this place."""
    match layer:
        case ModelSpec():
            counted: dict[str, int] = {}
            inside = f"{place}/layers" if place else "layers"
            told = {name: group for group, name in names.items() if group.rpartition("/")[0] == inside}
            for name, part in layer.layers.items():
                if isinstance(part, Operation):
                    continue
                base = snake(parsed.stored.classes.get((*path, name), type(part).__name__))
                n = counted[base] = counted.get(base, -1) + 1
                group = told.get(name) or f"{inside}/{base if n == 0 else f'{base}_{n}'}"
                yield from tree_places(parsed, part, group, (*path, name), names)
        case Bidirectional():
            yield from tree_places(parsed, layer.forward, f"{place}/forward_layer", (*path, "forward"), names)
            yield from tree_places(parsed, layer.backward, f"{place}/backward_layer", (*path, "backward"), names)
        case TimeDistributed():
            yield from tree_places(parsed, layer.layer, f"{place}/layer", (*path, "layer"), names)
        case Recurrent() if len(layer.cells) == 1:
            yield (*path, "0"), f"{place}/cell"
        case Recurrent():
            counted = {}
            for number, cell in enumerate(layer.cells):
                base = snake(f"{layer_names.KERAS[cell.kind]}Cell")
                n = counted[base] = counted.get(base, -1) + 1
                yield (*path, str(number)), f"{place}/cell/cells/{base if n == 0 else f'{base}_{n}'}"
        case _:
            yield path, place


_INSIDE = {"GroupQueryAttention": "GroupedQueryAttention"}
"""What Keras calls a class in its own sources, where that is another name."""


def snake(class_name: str) -> str:
    """The class's name as Keras snake-cases it: LSTM -> lstm, SimpleRNN -> simple_rnn, ConvLSTM2D -> conv_lstm2d."""
    name = re.sub(r"\W+", "", class_name.rpartition(">")[2])
    name = _INSIDE.get(name, name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)).lower()
