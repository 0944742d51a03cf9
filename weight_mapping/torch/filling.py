"""The numbers of a Keras file into a module that its user wrote: by order and shape, all of them or none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from weight_mapping.drafting.open_choices import with_likely
from weight_mapping.drafting.outline import outline
from weight_mapping.errors import Unrepresentable, WeightsMismatch, shown
from weight_mapping.files import open_archive
from weight_mapping.loading import bind, load, understand
from weight_mapping.spec import Bidirectional, Custom, Layer, Leaf, Plain, Recurrent, leaves
from weight_mapping.torch import arrays
from weight_mapping.torch.places import Named, Place, Shape, places, shape_of
from weight_mapping.weights import LeafWeights, Portable


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What went where: a layer of Keras, and the module's parameters that its numbers now are."""

    layer: str
    family: str
    shape: Shape
    parameters: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """`rows` in the order of Keras' layers; `forward` is what the module's own forward() has to do as Keras does."""

    rows: tuple[Row, ...]
    forward: tuple[str, ...]

    def __str__(self) -> str:
        table = [f"{shown(r.layer)} {r.family} {r.shape} -> {', '.join(r.parameters)}" for r in self.rows]
        return "\n".join([*table, *(f"forward(): {line}" for line in self.forward)])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Unit:
    """A layer of Keras with its numbers."""

    layer: str
    leaf: Leaf
    weights: LeafWeights
    family: str
    shape: Shape


def fill(
    module: nn.Module, source: str | Path | Portable, config: str | Path | None = None, *, skip: Collection[str] = ()
) -> Filled:
    """Copy the numbers of a Keras file, or of a Portable, into the recurrent, linear, convolution, embedding and
    normalisation modules of `module`: by shape, and among those of one shape in the order of registration. A file of
    weights alone needs no configuration. `skip` names layers and modules that are left alone.

    Raises WeightsMismatch where a layer or a parameter is left over or shapes differ, Unrepresentable where a module
    computes another function than its layer; nothing is written then."""
    portable = source if isinstance(source, Portable) else _read(Path(source), config)
    units = [unit for unit in _units(portable) if unit.layer.split("/")[0] not in skip]
    found = [place for place in places(module) if not _skipped(place.name, skip)]
    _nothing_over(module, found, skip)
    pairs = [pair for family in dict.fromkeys(u.family for u in units) for pair in _paired(family, units, found)]
    _all_paired(pairs, units, found)
    given = [(unit, place, _values(unit, place)) for unit, place in pairs]
    state = module.state_dict(keep_vars=True)
    with torch.no_grad():
        for _, place, values in given:
            for name, array in values.items():
                target = state[_full(place, name)]
                target.copy_(arrays.tensor(array, target.dtype).reshape(target.shape))
    rows = [
        Row(layer=u.layer, family=u.family, shape=u.shape, parameters=tuple(_full(p, n) for n in values))
        for u, p, values in given
    ]
    order = {unit.layer: n for n, unit in enumerate(units)}
    return Filled(rows=tuple(sorted(rows, key=lambda r: order[r.layer])), forward=tuple(_duties(portable)))


def _read(path: Path, config: str | Path | None) -> Portable:
    archive = open_archive(path, config)
    if archive.config is not None or "spec" in archive.metadata:
        return load(path, config)
    drafted = outline(archive)
    assumed = with_likely({key: drafted[key] for key in ("class_name", "config")})
    version = with_likely(drafted["keras_version"])
    return bind(understand(replace(archive, config=assumed, keras_version=version)), archive, keep_optimizer=False)


def _units(portable: Portable) -> Iterator[_Unit]:
    for path, leaf in leaves(portable.spec):
        weights = portable.weights.get(path)
        if weights is None or isinstance(leaf, Custom):
            if isinstance(leaf, Custom) and weights:
                yield _Unit(layer="/".join(path), leaf=leaf, weights=weights, family=leaf.refusal, shape=())
            continue
        family, shape = shape_of(leaf, weights)
        yield _Unit(layer="/".join(path), leaf=leaf, weights=weights, family=family, shape=shape)


def _skipped(name: str, skip: Collection[str]) -> bool:
    return any(name == one or name.startswith(f"{one}.") for one in skip)


def _full(place: Place, name: str) -> str:
    return f"{place.name}.{name}".lstrip(".")


def _nothing_over(module: nn.Module, found: Sequence[Place], skip: Collection[str]) -> None:
    held = {_full(place, name) for place in found for name in place.names}
    for name, _ in module.named_parameters():
        if name not in held and not _skipped(name, skip):
            raise WeightsMismatch(
                "a parameter of a module that is not known here", where=name,
                expected="nn.LSTM, GRU, RNN, their cells, Linear, Conv1d to 3d, Embedding, BatchNorm or LayerNorm",
                way_out=f"Fill it yourself, and pass skip=[{name.rpartition('.')[0] or name!r}].",
            )  # fmt: skip


def _paired(family: str, units: Sequence[_Unit], found: Sequence[Place]) -> list[tuple[_Unit, Place]]:
    """A family's layers and places, those of one shape in order."""
    mine = [unit for unit in units if unit.family == family]
    theirs = [place for place in found if place.family == family]
    if Counter(unit.shape for unit in mine) != Counter(place.shape for place in theirs):
        _refuse_shapes(mine, theirs)
    waiting = list(theirs)
    pairs = []
    for unit in mine:
        place = next((place for place in waiting if place.shape == unit.shape), None)
        if place is not None:
            waiting.remove(place)
            pairs.append((unit, place))
    return pairs


def _refuse_shapes(mine: Sequence[_Unit], theirs: Sequence[Place]) -> None:
    """WeightsMismatch for the first place whose shape is another than that of its layer."""
    for unit, place in zip(mine, theirs, strict=False):
        if unit.shape != place.shape:
            raise WeightsMismatch(
                f"{unit.family}: another shape than Keras' layer", where=place.name, found=place.shape,
                expected=f"{unit.shape}, of {shown(unit.layer)}",
                way_out="Layers and modules are held together by their shapes, those of one shape in order.",
            )  # fmt: skip


def _all_paired(pairs: Sequence[tuple[_Unit, Place]], units: Sequence[_Unit], found: Sequence[Place]) -> None:
    layers, modules = {unit.layer for unit, _ in pairs}, [place for _, place in pairs]
    for unit in units:
        if unit.layer not in layers:
            raise WeightsMismatch(
                "no module for this layer", where=shown(unit.layer), found=f"{unit.family} {unit.shape}",
                way_out=f"Write one, or pass skip=[{unit.layer.split('/')[0]!r}].",
            )  # fmt: skip
    for place in found:
        if place not in modules:
            raise WeightsMismatch(
                "no layer of Keras for this module", where=place.name, found=f"{place.family} {place.shape}",
                way_out=f"Take it out, or pass skip=[{place.name!r}].",
            )  # fmt: skip


def _values(unit: _Unit, place: Place) -> Named:
    try:
        return place.give(unit.leaf, unit.weights)
    except Unrepresentable as problem:
        raise Unrepresentable(
            problem.what, where=f"{shown(unit.layer)} -> {place.name}", found=problem.found,
            expected=problem.expected, way_out=problem.way_out, class_name=problem.class_name,
        ) from None  # fmt: skip


def _duties(portable: Portable) -> Iterator[str]:
    """What Keras' layers do that no parameter shows."""
    seen: list[Layer] = []
    for name, layer in portable.spec.layers.items():
        match layer:
            case Recurrent() if layer.go_backwards:
                yield f"{shown(name)} runs backwards: flip its input over time, and not its output"
            case Bidirectional() if layer.merge != "concat":
                yield f"{shown(name)} merges its directions by {layer.merge}; PyTorch concatenates"
            case Plain(kind="embedding") if layer.options["mask_zero"]:
                yield f"{shown(name)} masks id 0: recurrent layers keep their state at such steps"
            case Plain(kind="flatten") if any(isinstance(p, Plain) and p.kind == "conv" for p in seen):
                yield f"{shown(name)} flattens (places, channels); PyTorch's convolutions give (channels, places)"
            case _:
                pass
        if isinstance(layer, Recurrent | Bidirectional):
            run = layer.forward if isinstance(layer, Bidirectional) else layer
            if not run.return_sequences:
                yield f"{shown(name)} gives its last output alone" + (
                    ": of the backward direction that is its output at the first step" if run is not layer else ""
                )
        seen.append(layer)
