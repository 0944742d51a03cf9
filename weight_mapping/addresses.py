"""Where a container keeps each leaf's arrays: by the order within a layer (legacy), by the tree of objects (Keras 3's
`.weights.h5` and `.keras`), or by the paths of TensorFlow's object graph."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from weight_mapping.errors import WeightsMismatch, shown
from weight_mapping.expectations import Expectation
from weight_mapping.files.archive import Archive, Layers, Stored
from weight_mapping.files.object_graph import SUFFIX
from weight_mapping.keras_config import Parsed
from weight_mapping.plain import KINDS
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
    leaves,
)

Found = list[tuple[Expectation, tuple[Stored, ...]]]
Slot = tuple[Expectation, int]
"""One array of one leaf."""
_WAY_OUT = "The weights belong to another configuration, or the file is incomplete."


def locate(parsed: Parsed, wanted: Sequence[Expectation], archive: Archive) -> Found:
    """Every leaf with its arrays' headers, in the leaf's own order. WeightsMismatch names the layer that has none."""
    if archive.tree is not None:
        return _by_tree(parsed, wanted, archive)
    if archive.layers is not None:
        return _by_layer(wanted, archive.layers)
    named = archive.named or {}
    if any(name.endswith(SUFFIX) for name in named):
        return _by_object_graph(parsed, wanted, named)
    return _by_layer(wanted, _grouped(named.values(), parsed))


def _grouped(stored: Iterable[Stored], parsed: Parsed) -> Layers:
    """The arrays by layer, the first segment of their names that is one. Where none is (the configuration was made
    anew), the first that they don't all share, which is the model's name."""
    arrays = _without_seeds(tuple(stored))
    known = parsed.spec.layers
    shared = len({a.name.split("/")[0] for a in arrays}) == 1
    grouped: dict[str, list[Stored]] = {}
    for one in arrays:
        segments = one.name.split("/")
        unknown = segments[1 if shared and len(segments) > 2 else 0]
        grouped.setdefault(next((s for s in segments if s in known), unknown), []).append(one)
    return tuple((layer, tuple(members)) for layer, members in grouped.items())


# Legacy: a group a layer, arrays in the order of `weight_names`.


def _by_layer(wanted: Sequence[Expectation], layers: Layers) -> Found:
    groups = {name: _without_seeds(arrays) for name, arrays in layers}
    by_layer: dict[str, list[Expectation]] = {}
    for one in wanted:  # Keras 1 stores the layers of models that a Sequential merges as if they were its own
        by_layer.setdefault(next((name for name in one.path if name in groups), one.path[0]), []).append(one)
    needing = [name for name, expected in by_layer.items() if any(e.names for e in expected)]
    if not set(needing) <= {name for name, arrays in groups.items() if arrays}:
        groups = _by_place(by_layer, groups)
    found: Found = []
    for layer, expected in by_layer.items():
        found += _within(layer, expected, groups.get(layer, ()))
    return found


def _by_place(
    by_layer: Mapping[str, list[Expectation]], groups: Mapping[str, tuple[Stored, ...]]
) -> dict[str, tuple[Stored, ...]]:
    """Layers under other names (the configuration was made anew): taken in order, if their numbers agree."""
    filled = [(name, arrays) for name, arrays in groups.items() if arrays]
    needing = [
        name for name, expected in by_layer.items() if any(e.names or isinstance(e.leaf, Custom) for e in expected)
    ]
    if len(filled) != len(needing):
        raise WeightsMismatch(
            "no weights for this layer",
            where=shown(next(name for name in needing if name not in dict(filled))),
            found=", ".join(shown(n) for n, _ in filled) or "no layer with weights",
            expected=f"{len(needing)} layers with weights",
            way_out=_WAY_OUT,
        )
    return {name: arrays for name, (_, arrays) in zip(needing, filled, strict=True)}


def _without_seeds(arrays: Sequence[Stored]) -> tuple[Stored, ...]:
    """The arrays without the state of a dropout's random generator, which is no weight."""
    return tuple(
        a for a in arrays if not (_base(a) == "seed_generator_state" or (a.dtype.kind in "iu" and a.shape == (2,)))
    )


def _base(stored: Stored) -> str:
    return re.sub(r"(:\d+)?$", "", stored.name.rpartition("/")[2])


def _within(layer: str, expected: list[Expectation], arrays: tuple[Stored, ...]) -> Found:
    if len(expected) == 1 and isinstance(expected[0].leaf, Custom):
        return [(expected[0], arrays)]
    repeated = {a.name for a in arrays if sum(a.path == b.path for b in arrays) > 1}
    if repeated:
        raise WeightsMismatch(
            "two weights under one name: the second one's numbers are not in the file",
            where=shown(layer),
            found=shown(sorted(repeated)[0]),
            way_out="TensorFlow 2.1 saved stacked cells so; save the model again with a later version.",
        )
    slots = [(e, n) for e in expected for n in range(len(e.names))]
    if len(slots) != len(arrays):
        raise WeightsMismatch(
            "another number of arrays than the configuration asks for",
            where=shown(layer),
            found=f"{len(arrays)}: {', '.join(shown(_base(a)) for a in arrays[:12])}",
            expected=f"{len(slots)}: {', '.join(e.names[n] for e, n in slots[:12])}",
            way_out=_WAY_OUT,
        )
    orders = [legacy_order(slots), slots]
    candidates = [dict(zip(((e.path, n) for e, n in order), arrays, strict=True)) for order in orders]
    candidates += _by_name(slots, arrays)
    problem: WeightsMismatch | None = None
    fitting: list[tuple[int, Found]] = []
    for candidate in candidates:
        pairs = [(e, tuple(candidate[e.path, n] for n in range(len(e.names)))) for e in expected]
        try:
            for one, headers in pairs:
                settle(one, headers)
        except WeightsMismatch as mismatch:
            problem = problem or mismatch
            continue
        strangers = sum(not _told(a, e, n) for e, headers in pairs for n, a in enumerate(headers))
        fitting.append((strangers, pairs))
    if not fitting:
        assert problem is not None
        raise problem
    return min(fitting, key=lambda f: f[0])[1]  # the first of equals


def legacy_order(slots: Sequence[Slot]) -> list[Slot]:
    """A layer's arrays as Keras lists them: those that training moves, then the others."""
    return sorted(slots, key=lambda slot: not slot[0].trainable[slot[1]])


def settle(one: Expectation, headers: Sequence[Stored]) -> object:
    """The leaf with its sizes, from the headers; a mismatch says in which layer."""
    try:
        for name, header in zip(one.names, headers, strict=True):
            _check_numbers(name, header)
        return one.settle({name: header.shape for name, header in zip(one.names, headers, strict=True)})
    except WeightsMismatch as problem:
        where = f"{one.where}/{problem.where}"
        raise WeightsMismatch(
            problem.what, where=where, found=problem.found, expected=problem.expected, way_out=_WAY_OUT
        ) from None


def _check_numbers(name: str, header: Stored) -> None:
    """Weights are floats, and there are some; `count` is Keras' own of the batches that a Normalization has seen."""
    if header.dtype.kind != "f" and name != "count":
        raise WeightsMismatch("an array that holds no floats", where=name, found=header.dtype, expected="floats")
    if 0 in header.shape:
        raise WeightsMismatch("an array without any number", where=name, found=header.shape)


def _ends(stored: Stored, one: Expectation, n: int) -> bool:
    """Whether the array's own name ends in the n-th of the leaf's, and in none that is longer: recurrent_kernel is no
    kernel. Attention's query_kernel is a kernel in a part of its own, query."""
    base = re.sub(r"_\d+$", "", _base(stored))
    for spelled in (base, "_".join([*stored.name.split("/")[:-1], base])):
        ends = [name for name in one.names if spelled == name or spelled.endswith(f"_{name}")]
        if ends:
            return max(ends, key=len) == one.names[n]
    return False


_OTHER = {"forward": "backward", "backward": "forward"}


def _told(stored: Stored, one: Expectation, n: int) -> bool:
    """Whether the array's own name says that it is the n-th of this leaf's, and not the other direction's."""
    turned = any(f"{_OTHER[p]}_" in stored.name and f"{p}_" not in stored.name for p in one.path if p in _OTHER)
    return not turned and _ends(stored, one, n)


def _by_name(slots: Sequence[Slot], arrays: Sequence[Stored]) -> list[dict[tuple[Path, int], Stored]]:
    """Each array by what its name says, where every one is told so (tfjs keeps no order)."""
    left, chosen = list(arrays), {}
    for one, n in slots:
        fits = [a for a in left if _told(a, one, n)]
        if not fits:
            return []
        chosen[one.path, n] = fits[0]
        left.remove(fits[0])
    return [chosen]


# Keras 3: a tree of objects, containers counting their members by snake-cased class names.


def _by_tree(parsed: Parsed, wanted: Sequence[Expectation], archive: Archive) -> Found:
    assert archive.tree is not None
    places = dict(tree_places(parsed, parsed.spec, "", (), archive.names))
    found: Found = []
    for one in wanted:
        place = places[one.path]
        if isinstance(one.leaf, Custom):
            found.append((one, tuple(s for key, s in archive.tree.items() if key.startswith(f"{place}/"))))
            continue
        found.append((one, tuple(_tree_array(parsed, archive.tree, place, one, n) for n in range(len(one.names)))))
    return found


def _tree_array(parsed: Parsed, tree: Mapping[str, Stored], place: str, one: Expectation, n: int) -> Stored:
    for key in tree_keys(parsed, place, one, n):
        if key in tree:
            return tree[key]
    raise WeightsMismatch(
        "no weights for this layer",
        where=f"{one.where}/{one.names[n]}",
        expected=f"an array at {tree_keys(parsed, place, one, n)[0]}",
        found=", ".join(sorted(shown(k) for k in tree)[:6]) or "an empty file",
        way_out=_WAY_OUT,
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
                base = {"lstm": "lstm_cell", "gru": "gru_cell", "rnn": "simple_rnn_cell"}[cell.kind]
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


# TensorFlow's checkpoints: paths of the object graph.

_NUMBERED = "layer_with_weights-"


def _by_object_graph(parsed: Parsed, wanted: Sequence[Expectation], named: Mapping[str, Stored]) -> Found:
    models = {name.partition(_NUMBERED)[0] for name in named if _NUMBERED in name}
    within = models.pop().removesuffix("/") if len(models) == 1 else ""
    places = dict(_graph_places(parsed.spec, within, ()))
    found: Found = []
    for one in wanted:
        keys = [f"{places[one.path]}/{_graph_name(one, name)}{SUFFIX}" for name in one.names]
        lost = [key for key in keys if key not in named]
        if lost:
            raise WeightsMismatch(
                "no weights for this layer",
                where=one.where,
                expected=f"a variable {lost[0]}",
                found=", ".join(sorted(shown(k) for k in named)[:6]),
                way_out=_WAY_OUT,
            )
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
