"""How a standalone file states a recurrent layer: nn.LSTM, nn.GRU or nn.RNN where they compute it, else our pieces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from weight_mapping.graph import Call
from weight_mapping.packing import layout, pack_row, with_bias
from weight_mapping.spec import Bidirectional, Cell, ConvCell, Path, Recurrent
from weight_mapping.torch.cells import NATIVE, is_native, module_row
from weight_mapping.torch.recurrent import build_layer
from weight_mapping.torch.standalone.tracing import DTYPE, Traced, render
from weight_mapping.torch.standalone.writer import Writer
from weight_mapping.weights import Array, CellWeights, LeafWeights

Weights = Mapping[Path, LeafWeights]
_CLASSES = {"lstm": "LSTMCell", "gru": "GRUCell", "rnn": "SimpleRNNCell", "conv_lstm": "ConvLSTMCell"}


def state(w: Writer, call: Call, layer: Recurrent | Bidirectional, weights: Weights, name: str) -> list[Traced]:
    """Write one call of the layer and give what it returns; `weights` by paths relative to the layer."""
    shadows = _shadows(call, layer, weights)
    cells = _native_cells(layer) if call.mask is None else None
    if cells is not None:
        texts = _native(w, call, layer, [_cell_weights(weights, path) for path in cells], name)
    elif isinstance(layer, Recurrent):
        texts = _general(w, call, layer, weights, name, "", call.initial_state)
    else:
        texts = _two_directions(w, call, layer, weights, name)
    return [Traced(text, shadow) for text, shadow in zip(texts, shadows, strict=False)]


def _shadows(call: Call, layer: Recurrent | Bidirectional, weights: Weights) -> list[Tensor]:
    module = build_layer(layer, weights, dtype=DTYPE)
    mask = None if call.mask is None else call.mask.shadow
    outputs: list[Tensor] = module(call.inputs[0].shadow, mask, [s.shadow for s in call.initial_state])
    return outputs


def _native_cells(layer: Recurrent | Bidirectional) -> tuple[Path, ...] | None:
    """The paths of the cells where one of PyTorch's modules runs the whole layer, else None."""
    if isinstance(layer, Recurrent):
        return (("0",),) if _runs_natively(layer) else None
    ahead, back = layer.forward, layer.backward
    if not (_runs_natively(ahead) and _runs_natively(back) and not ahead.go_backwards and back.go_backwards):
        return None
    alike = _sizes(ahead.cells[0]) == _sizes(back.cells[0])
    return (("forward", "0"), ("backward", "0")) if alike else None


def _runs_natively(layer: Recurrent) -> bool:
    return len(layer.cells) == 1 and is_native(layer.cells[0]) and not (layer.stateful or layer.time_major)


def _sizes(cell: Cell | ConvCell) -> tuple[object, ...]:
    return (cell.kind, cell.units, cell.bias == "none", cell.activation)


def _cell_weights(weights: Weights, path: Path) -> CellWeights:
    found = weights[path]
    assert isinstance(found, CellWeights)
    return found


def _native(
    w: Writer, call: Call, layer: Recurrent | Bidirectional, weights: Sequence[CellWeights], name: str
) -> list[str]:
    forward = layer.forward if isinstance(layer, Bidirectional) else layer
    cell, first = forward.cells[0], weights[0]
    both = len(weights) == 2
    options = ["batch_first=True", *(["bidirectional=True"] if both else [])]
    options += ["bias=False"] if cell.bias == "none" else []
    options += (
        [f"nonlinearity={cell.activation.name!r}"] if cell.kind == "rnn" and cell.activation.name != "tanh" else []
    )
    arrays: dict[str, Array] = {}
    for suffix, own in zip(("", "_reverse"), weights, strict=False):
        arrays |= {f"{n}_l0{suffix}": array for n, array in _torch_arrays(cell, own).items()}
    constructor = f"nn.{NATIVE[cell.kind].__name__}({first.input_size}, {first.units}, {', '.join(options)})"
    owner = w.module(call.path, constructor, arrays)
    x = f"{call.inputs[0].operand}.flip(1)" if forward.go_backwards else call.inputs[0].text
    start = _start(call.initial_state, cell.states, both)
    y, states = w.locals.new(name), [w.locals.new(f"{name}_{letter}") for letter in cell.states]
    last = f"({', '.join(states)})" if len(states) > 1 else states[0]
    w.lines.append(f"{y}, {last} = {owner}({x}{start})")
    if both:
        return _halves(w, layer, y, states, first.units)
    texts = [y] if forward.return_sequences else [f"{states[0]}[0]"]
    return [*texts, *(f"{s}[0]" for s in states)] if forward.return_state else texts


def _torch_arrays(cell: Cell | ConvCell, weights: CellWeights) -> dict[str, Array]:
    row = layout(
        "torch", cell.kind, bias="none" if cell.bias == "none" else "split",
        reset_after=True if cell.kind == "gru" else None,
    )  # fmt: skip
    return pack_row(row, with_bias(weights, row.bias))


def _start(states: Sequence[Traced], letters: Sequence[str], both: bool) -> str:
    """The initial states as PyTorch takes them: (directions, B, units), a tuple for an LSTM."""
    if not states:
        return ""
    count = len(letters)
    if both:
        stacked = [f"torch.stack([{states[n].text}, {states[count + n].text}])" for n in range(count)]
    else:
        stacked = [f"{s.operand}[None]" for s in states]
    return f", ({', '.join(stacked)})" if count > 1 else f", {stacked[0]}"


def _halves(w: Writer, layer: Recurrent | Bidirectional, y: str, states: Sequence[str], units: int) -> list[str]:
    assert isinstance(layer, Bidirectional)
    if layer.return_sequences and layer.merge == "concat":
        texts = [y]
    else:
        halves = (
            (f"{y}[..., :{units}]", f"{y}[..., {units}:]")
            if layer.return_sequences
            else (f"{states[0]}[0]", f"{states[0]}[1]")
        )
        texts = _merged(layer.merge, *halves)
    ends = [f"{s}[{side}]" for side in (0, 1) for s in states] if layer.forward.return_state else []
    return [*_bound(w, texts, y), *ends]


def _bound(w: Writer, texts: Sequence[str], name: str) -> list[str]:
    found = []
    for text in texts:
        bound = text
        if not text.isidentifier():
            bound = w.locals.new(name)
            w.lines.append(f"{bound} = {text}")
        found.append(bound)
    return found


def _merged(merge: str, a: str, b: str) -> list[str]:
    match merge:
        case "concat":
            return [f"torch.cat([{a}, {b}], -1)"]
        case "sum":
            return [f"{a} + {b}"]
        case "mul":
            return [f"{a} * {b}"]
        case "ave":
            return [f"({a} + {b}) / 2"]
        case _:
            return [a, b]


def _two_directions(w: Writer, call: Call, layer: Bidirectional, weights: Weights, name: str) -> list[str]:
    split = layer.forward.state_count
    given = (call.initial_state[:split], call.initial_state[split:])
    sides = [
        _general(w, call, part, _inside(weights, side), f"{name}_{side}", side, states)
        for side, part, states in zip(("forward", "backward"), (layer.forward, layer.backward), given, strict=True)
    ]
    (a, *ahead), (b, *back) = sides
    b = f"{b}.flip({0 if layer.forward.time_major else 1})" if layer.return_sequences else b
    return [*_bound(w, _merged(layer.merge, a, b), name), *ahead, *back]


def _inside(weights: Weights, name: str) -> dict[Path, LeafWeights]:
    return {path[1:]: found for path, found in weights.items() if path[0] == name}


def _general(
    w: Writer, call: Call, layer: Recurrent, weights: Weights, name: str, part: str, states: Sequence[Traced]
) -> list[str]:
    """A call of the piece `Recurrent`."""
    cells: list[str] = []
    arrays: dict[str, Array] = {}
    for n, cell in enumerate(layer.cells):
        own = _cell_weights(weights, (str(n),))
        text, stored = _cell(w, cell, own)
        cells.append(text)
        arrays |= {f"cells.{n}.{key}": array for key, array in stored.items()}
    flags = ("return_sequences", "go_backwards", "stateful", "zero_output_for_mask", "time_major")
    options = [f"{flag}=True" for flag in flags if getattr(layer, flag)]
    first = layer.cells[0]
    options += ["channels_last=True"] if isinstance(first, ConvCell) and not first.channels_first else []
    owner = w.module(call.path, f"{w.piece('Recurrent')}({', '.join([*cells, *options])})", arrays, part)
    given = [call.inputs[0].text]
    if call.mask is not None or states:
        given.append(w.mask(call.mask, name))
    if states:
        given.append(f"[{', '.join(s.text for s in states)}]")
    y, ends = w.locals.new(name), [w.locals.new(f"{name}_state") for _ in range(layer.state_count)]
    left = [y, *ends] if layer.return_state else [y, "*_"]
    w.lines.append(f"{', '.join(left)} = {owner}({', '.join(given)})")
    return [y, *ends] if layer.return_state else [y]


def _cell(w: Writer, cell: Cell | ConvCell, weights: CellWeights) -> tuple[str, dict[str, Array]]:
    """The constructor of a cell, and its arrays in PyTorch's order of gates."""
    reset_after = cell.reset_after if isinstance(cell, Cell) and cell.kind == "gru" else None
    if not reset_after and weights.bias_form == "split":
        weights = with_bias(weights, "single")
    rank = cell.rank if isinstance(cell, ConvCell) else 0
    arrays = pack_row(module_row(cell.kind, weights.bias_form, reset_after, rank), weights)
    if cell.kind == "gru" and "bias" in arrays:
        arrays["bias_ih"] = arrays.pop("bias")
    gates = [w.gate(cell.activation), *([] if cell.kind == "rnn" else [w.gate(cell.recurrent_activation)])]
    size = [str(weights.input_size), str(weights.units)]
    size += [render(tuple(cell.kernel_size))] if isinstance(cell, ConvCell) else []
    options = [str(weights.bias is not None), *([str(reset_after)] if cell.kind == "gru" else [])]
    if isinstance(cell, ConvCell):
        geometry = {n: getattr(cell, n) for n in ("strides", "padding", "dilation", "pad_start")}
        options += [f"{n}={render(value)}" for n, value in geometry.items()]
    return f"{w.piece(_CLASSES[cell.kind])}({', '.join([*size, *gates, *options])})", arrays
