"""What `units` configures: a layer's shapes, counts and equations as plain data, for the terminal and the page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from math import prod
from typing import Any

from harness.explain import convolution, scalar_copies
from harness.explain.words import GATE_NAMES, ORDER, STATES, UPDATE, array, choices, parameter_formula
from weight_mapping import layer_names
from weight_mapping.spec import (
    Bidirectional,
    Cell,
    ConvCell,
    Kind,
    Layer,
    Merge,
    ModelSpec,
    Path,
    Recurrent,
    TimeDistributed,
    parts,
)
from weight_mapping.weights import BIAS_PARTS, Portable

Found = tuple[Path, Cell | ConvCell, Recurrent, Merge | None]


def usual(kind: Kind, units: int, input_size: int, *, reset_after: bool = True) -> Cell:
    """The cell that Keras builds by default today: a GRU has reset_after and so two biases; Keras 1's had neither."""
    if kind == "gru" and reset_after:
        return Cell(kind=kind, units=units, input_size=input_size, bias="split", reset_after=True)
    return Cell(kind=kind, units=units, input_size=input_size)


def explain(
    cell: Cell, *, batch: int, time: int, layer: Recurrent | None = None, merge: Merge | None = None, name: str = ""
) -> dict[str, Any]:  # fmt: skip
    """Everything about one cell of known input width, as JSON holds it. `layer`: how this one is really run; `merge`:
    it is one of a Bidirectional's two, merged so."""
    units, gates = cell.units, len(cell.gates)
    inputs, given = cell.input_size or 1, units * (2 if merge == "concat" else 1)
    return {
        "name": name,
        "call": f"{layer_names.KERAS[cell.kind]}({units})",
        "kind": cell.kind,
        "units": units,
        "input_size": inputs,
        "takes": f"inputs of width {inputs}",
        "batch": batch,
        "time": time,
        "answer": [*_answer(cell, time), *(_twice(cell, merge) if merge else ())],
        "gates": [_gate(cell, n, letter) for n, letter in enumerate(cell.gates)],
        "update": [line.format(activation=cell.activation) for line in UPDATE[cell.kind]],
        "arrays": _arrays(cell, gates, units, inputs),
        "counted": "gates x (units x input + units x units + biases x units)",
        "formula": parameter_formula(cell),
        "parameters": gates * units * (inputs + units + BIAS_PARTS[cell.bias]),
        "pytorch": _pytorch(cell, gates, units, inputs),
        "steps": _steps(cell, batch, time),
        "returns": list(choices([batch], time, [given], [units], cell.states, layer, merge)),
        "copies": asdict(scalar_copies.measure(cell)),
    }


def model(portable: Portable, *, batch: int, time: int) -> list[dict[str, Any]]:
    """`explain` for every recurrent cell of a model, in the order of its layers."""
    return [_explained(portable, each, batch, time) for each in recurrent_cells(portable.spec)]


def _explained(portable: Portable, found: Found, batch: int, time: int) -> dict[str, Any]:
    path, cell, layer, merge = found
    cell = replace(cell, input_size=cell.input_size or getattr(portable.weights.get(path), "input_size", None))
    run: dict[str, Any] = {"batch": batch, "time": time, "layer": layer, "name": "/".join(path)}
    if isinstance(cell, ConvCell):
        return convolution.explain(cell, image=_image(portable.spec, path[0], cell), **run)
    return explain(cell, merge=merge, **run)


def _image(spec: ModelSpec, name: str, cell: ConvCell) -> Sequence[int]:
    """The sizes of the images that a layer of the model is given, where it takes a whole input of known sizes."""
    shapes = {one.name: one.shape or () for one in spec.inputs}
    taken = [shapes.get(ref.node, ()) for node in spec.nodes if node.layer == name for ref in node.inputs[:1]]
    shape = taken[0][2:] if taken and len(taken[0]) == cell.rank + 3 else ()
    sizes = shape[1:] if cell.channels_first else shape[:-1]
    return [n for n in sizes if n] if all(sizes) else ()


def recurrent_cells(layer: Layer, path: Path = (), merge: Merge | None = None) -> Iterator[Found]:
    """Every recurrent cell of a layer: its path, the layer that runs it, and how two of them are merged."""
    if isinstance(layer, Recurrent):
        yield from (((*path, str(n)), cell, layer, merge) for n, cell in enumerate(layer.cells))
    elif isinstance(layer, Bidirectional | TimeDistributed | ModelSpec):
        for name, part in parts(layer):
            own = layer.merge if isinstance(layer, Bidirectional) else None
            yield from recurrent_cells(part, (*path, name), own)  # type: ignore[arg-type]


def _answer(cell: Cell, time: int) -> list[str]:
    n, whole = cell.units, "the state h" if cell.kind != "lstm" else "the cell state c, the output h"
    return [
        f"units={n} is a width: {whole} and each gate are vectors of {n} numbers, all of one width, for each sample.",
        f"It is not the number of time steps: one cell, with one set of weights, is applied to all {time} steps.",
        f"It is not tied to the input: {cell.input_size or 1} features come in, {n} numbers come out.",
        f"It is not a number of separate cells: each of the {n} units sees the past of all through recurrent_kernel.",
    ]


def _twice(cell: Cell, merge: Merge) -> list[str]:
    n, whole = cell.units, parameter_formula(cell).rpartition("= ")[2]
    wide = {"concat": f"2 x {n} = {2 * n} numbers", "none": f"two outputs of {n} numbers"}.get(merge, f"{n} numbers")
    return [
        f"Bidirectional is this layer twice, with weights of its own each way: 2 x {whole} = {2 * int(whole)} numbers.",
        f"The backward one reads from the last step to the first; merge_mode={merge} gives {wide} a step.",
    ]


def _gate(cell: Cell, n: int, letter: str) -> dict[str, Any]:
    units = cell.units
    function = cell.activation if letter in "cn" else cell.recurrent_activation
    symbol = "g" if letter == "c" else letter  # in the equations c is the cell state
    past = f"h U_{letter}"
    if cell.kind == "gru" and letter == "n":
        past = "r * (h U_n + v_n)" if cell.reset_after else "(r * h) U_n"
    bias = "" if cell.bias == "none" else f" + b_{letter}"
    if cell.bias == "split" and letter != "n":
        bias += f" + v_{letter}"
    return {
        "letter": letter,
        "name": GATE_NAMES[cell.kind][letter],
        "columns": [n * units, (n + 1) * units],
        "equation": f"{symbol} = {function}(x W_{letter} + {past}{bias})",
    }


def _arrays(cell: Cell, gates: int, units: int, inputs: int) -> list[dict[str, Any]]:
    block = f"{gates} blocks, one a gate" if gates > 1 else "one block"
    found = [
        array("kernel", [inputs, gates * units], [inputs, units], f"W, from the input x to the gates: {block}"),
        array("recurrent_kernel", [units, gates * units], [units, units], f"U, from the past h to the gates: {block}"),
    ]
    if cell.bias == "single":
        found.append(array("bias", [gates * units], [units], "b, added in each gate"))
    elif cell.bias == "split":
        found.append(
            array("bias", [2, gates * units], [2, units], "b beside the input, v beside the past (reset_after)")
        )
    return found


def _pytorch(cell: Cell, gates: int, units: int, inputs: int) -> dict[str, Any]:
    """The same cell in PyTorch: rows for columns, and always two biases."""
    rows: list[dict[str, Any]] = [
        {"name": "weight_ih_l0", "shape": [gates * units, inputs], "source": "kernel, transposed"},
        {"name": "weight_hh_l0", "shape": [gates * units, units], "source": "recurrent_kernel, transposed"},
    ]
    second = "the second row of bias" if cell.bias == "split" else "zeros: Keras has no second bias"
    if cell.bias != "none":
        rows.append(
            {
                "name": "bias_ih_l0",
                "shape": [gates * units],
                "source": "bias" if cell.bias == "single" else "the first row of bias",
            }
        )
        rows.append({"name": "bias_hh_l0", "shape": [gates * units], "source": second})
    native = str(cell.activation) == "tanh" and str(cell.recurrent_activation) == "sigmoid"
    native = native and (cell.kind != "gru" or cell.reset_after)
    return {
        "call": f"{layer_names.TORCH[cell.kind]}({inputs}, {units})"
        if native
        else f"a module of its own: {layer_names.TORCH[cell.kind]} lacks this cell",
        "order": ORDER[cell.kind],
        "arrays": rows,
        "parameters": sum(prod(row["shape"]) for row in rows),
    }


def _steps(cell: Cell, batch: int, time: int) -> list[dict[str, Any]]:
    units = cell.units
    return [
        {"name": "x", "shape": [batch, time, cell.input_size or 1], "meaning": "the input: batch, time, features"},
        {
            "name": "x at one step",
            "shape": [batch, cell.input_size or 1],
            "meaning": f"the cell is applied {time} times",
        },
        {"name": "each gate", "shape": [batch, units], "meaning": ", ".join(GATE_NAMES[cell.kind].values())},
        *({"name": f"state {s}", "shape": [batch, units], "meaning": STATES[s]} for s in cell.states),
    ]
