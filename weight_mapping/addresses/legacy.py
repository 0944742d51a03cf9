"""Files with a group a layer, the arrays in the order of Keras' `weight_names`; or with a table of names alone, which
is first grouped by the layers that the names mention."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from weight_mapping.addresses.found import WAY_OUT, Found, missing, settle
from weight_mapping.addresses.own_names import Slot, base, by_name, told
from weight_mapping.errors import WeightsMismatch, shown
from weight_mapping.expectations import Expectation
from weight_mapping.files.archive import Layers, Stored
from weight_mapping.keras_config import Parsed
from weight_mapping.spec import Custom


def grouped(stored: Iterable[Stored], parsed: Parsed) -> Layers:
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


def by_layer(wanted: Sequence[Expectation], layers: Layers) -> Found:
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
        raise missing(
            where=shown(next(name for name in needing if name not in dict(filled))),
            found=", ".join(shown(n) for n, _ in filled) or "no layer with weights",
            expected=f"{len(needing)} layers with weights",
        )
    return {name: arrays for name, (_, arrays) in zip(needing, filled, strict=True)}


def _without_seeds(arrays: Sequence[Stored]) -> tuple[Stored, ...]:
    """The arrays without the state of a dropout's random generator, which is no weight."""
    return tuple(
        a for a in arrays if not (base(a) == "seed_generator_state" or (a.dtype.kind in "iu" and a.shape == (2,)))
    )


def _within(layer: str, expected: list[Expectation], arrays: tuple[Stored, ...]) -> Found:
    """A layer's arrays given to its leaves, in either order that Keras has used or by their own names. Of those ways in
    which every shape fits, the one that goes against the fewest names is meant."""
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
            found=f"{len(arrays)}: {', '.join(shown(base(a)) for a in arrays[:12])}",
            expected=f"{len(slots)}: {', '.join(e.names[n] for e, n in slots[:12])}",
            way_out=WAY_OUT,
        )
    orders = [legacy_order(slots), slots]
    candidates = [dict(zip(((e.path, n) for e, n in order), arrays, strict=True)) for order in orders]
    candidates += by_name(slots, arrays)
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
        strangers = sum(not told(a, e, n) for e, headers in pairs for n, a in enumerate(headers))
        fitting.append((strangers, pairs))
    if not fitting:
        assert problem is not None
        raise problem
    return min(fitting, key=lambda f: f[0])[1]  # the first of equals


def legacy_order(slots: Sequence[Slot]) -> list[Slot]:
    """A layer's arrays as Keras lists them: those that training moves, then the others."""
    return sorted(slots, key=lambda slot: not slot[0].trainable[slot[1]])
