"""The configuration that a file of weights alone leaves out, as far as names and shapes tell it: a chain of layers in
which every choice that they can't tell is open."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from weight_mapping.drafting.open_choices import OPEN
from weight_mapping.drafting.recognising import Sketch, groups, recognise, tells_order
from weight_mapping.drafting.recognising_plain import recognise_plain
from weight_mapping.drafting.sketched import CLASSES as RECURRENT
from weight_mapping.drafting.sketched import Config, stored_layer
from weight_mapping.errors import PortingError, shown
from weight_mapping.files.archive import Archive, Stored
from weight_mapping.keras_config.era import Era, era
from weight_mapping.keras_config.plain_layers import CLASSES
from weight_mapping.keras_config.recurrent import default_gate
from weight_mapping.keras_config.words import ACTIVATION_LAYERS
from weight_mapping.plain import KINDS

_OVER_TIME = {*RECURRENT.values(), "Bidirectional", "RNN", "TimeDistributed", "Conv1D", "MaxPooling1D"}
_EITHER = {"Dense", "BatchNormalization", "LayerNormalization"}
_SAME_WIDTH = {"activation", "repeat_vector", "pool", "masking", "identity"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """One layer of the chain: its stored object, and the widths of what it takes and gives where its arrays tell."""

    stored: Config
    takes: int | None = None
    gives: int | None = None


def outline(archive: Archive) -> Config:
    """A Sequential model in Keras' JSON, with the layers of the archive in its order. PortingError where an array
    belongs to no layer that is known by then, or cells may be read in several ways."""
    cells = dict(recognise(archive))
    old = any(cell.form for found in cells.values() for cell in found)
    version = archive.keras_version or ("1" if old else "3.0.0" if archive.tree is not None else "2.15.0")
    writer = era(version, archive.backend, None)
    steps = [step for name, arrays in groups(archive) for step in _steps(name, arrays, cells, writer)]
    if not steps:
        raise PortingError("no layer to draft", where=shown(archive.path.name), found="no arrays")
    layers = [_settled(steps, place) for place in range(len(steps))]
    layers[0]["config"]["batch_input_shape"] = _input_shape(steps)
    told: Config = {"name": "drafted", "layers": layers}
    if not tells_order(archive):
        told["order"] = f"{OPEN}the file does not tell the layers' order; sort them, then take this line out"
    version = archive.keras_version or OPEN + version
    return {"class_name": "Sequential", "config": told, "keras_version": version, "backend": archive.backend}


def _steps(name: str, arrays: Sequence[Stored], cells: Mapping[str, list[Sketch]], era: Era) -> Iterator[_Step]:
    inside = [(key, found) for key, found in cells.items() if key == name or key.startswith(f"{name}/")]
    if len(inside) > 1:
        raise PortingError(
            "a nested model, which a chain does not hold", where=shown(name),
            found=", ".join(shown(key) for key, _ in inside),
            way_out="Port its recurrent layers with --layers-only, or write the configuration by hand.",
        )  # fmt: skip
    if inside:
        yield _recurrent(name, inside[0][1], era)
    elif not re.fullmatch(r"input(_layer)?(_\d+)?|.*_input", name):
        yield _plain(name, [a for a in arrays if a.dtype.kind == "f"], era)


def _recurrent(name: str, cells: Sequence[Sketch], era: Era) -> _Step:
    def activations(cell: Sketch) -> Config:
        if cell.kind.startswith("cudnn"):
            return {}
        gate = "inner_activation" if cell.form else "recurrent_activation"
        gates = {} if cell.kind == "rnn" else {gate: OPEN + default_gate(cell.kind, era)}
        return {"activation": f"{OPEN}tanh", **gates}

    stored = stored_layer(
        name, cells, return_sequences=f"{OPEN}false", go_backwards=f"{OPEN}false", merge_mode=f"{OPEN}concat",
        activations=activations,
    )  # fmt: skip
    both = 2 if cells[0].direction else 1
    return _Step(stored=stored, takes=cells[0].input_size, gives=both * cells[-1].units)


def _plain(name: str, arrays: Sequence[Stored], era: Era) -> _Step:
    wrapped = bool(re.fullmatch(r"time_?distributed(_\d+)?", name))
    found = recognise_plain("" if wrapped else name, arrays, era)
    if found is None:
        seen = ", ".join(f"{shown(a.name)} {a.shape}" for a in arrays) or "no array"
        return _Step(stored={"class_name": f"{OPEN}the layer with {seen}", "config": {"name": name}})
    inner = {"name": f"{name}_inner" if wrapped else name, **found.config}
    stored: Config = {"class_name": found.class_name, "config": inner}
    if wrapped:
        stored = {"class_name": "TimeDistributed", "config": {"name": name, "layer": stored}}
    return _Step(stored=stored, takes=found.takes, gives=found.gives)


def _settled(steps: Sequence[_Step], place: int) -> Config:
    """The layer with what its neighbours tell: whether sequences go on, how directions merge, and that widths meet."""
    step = steps[place]
    config = dict(step.stored["config"])
    after = _next_width(steps, place)
    if "merge_mode" in config and step.gives is not None and after is not None:
        meets = {step.gives // 2: f"{OPEN}sum, mul or ave", step.gives: "concat"}
        config["merge_mode"] = meets.get(after, config["merge_mode"])
    told = _sequences(steps, place)
    for target in (config, *(config[key]["config"] for key in ("layer", "backward_layer") if key in config)):
        if told is not None and target.get("return_sequences"):
            target["return_sequences"] = told
    before = _width_before(steps, place)
    if step.takes is not None and before is not None and step.takes not in before:
        config["input"] = f"{OPEN}takes {step.takes} numbers, and what stands before it gives {before[0]}: no chain"
    return {"class_name": step.stored["class_name"], "config": config}


def _next_width(steps: Sequence[_Step], place: int) -> int | None:
    """The width that the next layer with one takes; None behind one that may change it."""
    for step in steps[place + 1 :]:
        if step.takes is not None:
            return step.takes
        if not _keeps_width(step):
            return None
    return None


def _width_before(steps: Sequence[_Step], place: int) -> tuple[int, ...] | None:
    for step in reversed(steps[:place]):
        if step.gives is not None:
            return (step.gives, step.gives // 2) if "merge_mode" in step.stored["config"] else (step.gives,)
        if not _keeps_width(step):
            return None
    return None


def _keeps_width(step: _Step) -> bool:
    row = CLASSES.get(step.stored["class_name"])
    same = bool(row and (row.kind in _SAME_WIDTH or KINDS[row.kind].training_only))
    return same or step.stored["class_name"] in ACTIVATION_LAYERS


def _sequences(steps: Sequence[_Step], place: int) -> bool | None:
    """Whether a recurrent layer gives every step, where the first layer behind it that does not take either tells."""
    for step in steps[place + 1 :]:
        class_name = step.stored["class_name"]
        if class_name == "RepeatVector":
            return False
        if class_name in _OVER_TIME:
            return True
        if class_name not in _EITHER and not _keeps_width(step):
            return None
    return None


def _input_shape(steps: Sequence[_Step]) -> list[Any]:
    """Of the first layer: the batch, then lengths that are open, then the width that its arrays tell."""
    class_name = steps[0].stored["class_name"]
    width = [] if class_name == "Embedding" else [steps[0].takes or f"{OPEN}the width"]
    rank = {"Conv2D": 2, "Conv3D": 3}.get(class_name, 1)
    if class_name == "Dense":
        rank = int(any(step.stored["class_name"] in RECURRENT.values() for step in steps))
    return [None, *[f"{OPEN}null, or the length" for _ in range(rank)], *width]
