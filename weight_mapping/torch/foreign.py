"""nn.LSTM, nn.GRU and nn.RNN of any depth, made by whomever, and their state_dicts: as a chain of Keras layers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from weight_mapping.activations import activation
from weight_mapping.errors import PortingError, Unrepresentable, shown
from weight_mapping.packing import unpack
from weight_mapping.plain import plain
from weight_mapping.spec import Bidirectional, Cell, Input, Layer, Path, Recurrent, chain
from weight_mapping.torch import arrays
from weight_mapping.weights import CellWeights, LeafWeights, Portable, Source

_NAME = re.compile(r"(weight|bias)_(ih|hh|hr)_l(\d+)(_reverse)?")
_KINDS = {4: "lstm", 3: "gru", 1: "rnn"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stack:
    """What PyTorch's arguments say beside the numbers."""

    kind: Any
    time_major: bool
    nonlinearity: str = "tanh"
    dropout: float = 0.0
    resolved: tuple[str, ...] = ()
    single_bias: bool = False
    """The second bias is zero and frozen: the module has one bias in truth."""


def from_module(module: nn.RNNBase) -> Portable:
    """nn.LSTM, nn.GRU or nn.RNN: a layer for each of its layers; dropout between them as Dropout layers."""
    second = [p for name, p in module.named_parameters() if name.startswith("bias_hh")]
    first = [p for name, p in module.named_parameters() if name.startswith("bias_ih")]
    single = any(p.requires_grad for p in first) and not any(p.requires_grad or bool(p.detach().any()) for p in second)
    stack = _Stack(
        kind=module.mode.split("_")[0].lower(),
        time_major=not module.batch_first,
        nonlinearity=str(getattr(module, "nonlinearity", "tanh")),
        dropout=module.dropout,
        single_bias=single and module.mode != "GRU",
    )
    return _portable(dict(module.named_parameters()), stack)


def from_state_dict(state: Mapping[str, Tensor], prefix: str) -> Portable:
    """The state_dict of one such module. Its shapes tell the kind; what they can't tell is resolved as PyTorch's
    defaults have it, and said in `source.resolved`."""
    named = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
    others = sorted(name for name in named if not _NAME.fullmatch(name))
    if others or not named:
        starts = sorted({name[: m.start()] for name in state if (m := _NAME.search(name)) and _ends(name, m)})
        raise PortingError(
            "not the state_dict of one recurrent module", found=[shown(n) for n in others[:5]] or "no arrays",
            expected="weight_ih_l0, weight_hh_l0, …",
            way_out=f"Pass prefix=, one of {starts}." if starts else None,
        )  # fmt: skip
    _refuse_projection("weight_hr_l0" in named)
    rows, columns = named["weight_hh_l0"].shape if "weight_hh_l0" in named else (0, 1)
    kind = _KINDS.get(rows // columns) if columns and rows % columns == 0 else None
    if kind is None:
        raise PortingError(
            "the shape of the recurrent weights tells no cell", where=f"{prefix}weight_hh_l0", found=(rows, columns),
            expected="(4 u, u) LSTM, (3 u, u) GRU or (u, u) RNN",
        )  # fmt: skip
    resolved = ["A state_dict does not say batch_first: taken as True, and no dropout."]
    if kind == "rnn":
        resolved.append("A state_dict does not say an RNN's nonlinearity: taken as tanh, PyTorch's default.")
    return _portable(named, _Stack(kind=kind, time_major=False, resolved=tuple(resolved)))


def _ends(name: str, match: re.Match[str]) -> bool:
    return match.end() == len(name)


def _refuse_projection(there: bool) -> None:
    if there:
        raise Unrepresentable(
            "an LSTM with proj_size has no analogue in Keras: its h is a projection, of another width than its gates",
            class_name="LSTM", way_out="Train it without proj_size, or keep it in PyTorch.",
        )  # fmt: skip


def _portable(named: Mapping[str, Tensor], stack: _Stack) -> Portable:
    _refuse_projection(any("_hr_" in name for name in named))
    pieces: dict[tuple[int, bool], dict[str, Any]] = {}
    for name, value in named.items():
        match = _NAME.fullmatch(name)
        assert match is not None
        part, which, depth, reverse = match.groups()
        pieces.setdefault((int(depth), reverse is not None), {})[f"{part}_{which}"] = arrays.array(value)
    depths = sorted({depth for depth, _ in pieces})
    two_ways = any(reverse for _, reverse in pieces)
    expected = [(depth, way) for depth in range(len(depths)) for way in ((False, True) if two_ways else (False,))]
    if sorted(pieces) != expected:
        raise PortingError("layers or directions are missing", found=sorted(pieces), expected=expected)
    layers: dict[str, Layer] = {}
    weights: dict[Path, LeafWeights] = {}
    for depth in depths:
        name = stack.kind if depth == 0 else f"{stack.kind}_{depth}"
        ahead, back = (_cell(pieces.get((depth, way)), stack) for way in (False, True))
        assert ahead is not None
        if back is None:
            layers[name] = _recurrent(ahead[0], stack)
            weights[name, "0"] = ahead[1]
        else:
            backward = _recurrent(back[0], stack, go_backwards=True)
            layers[name] = Bidirectional(forward=_recurrent(ahead[0], stack), backward=backward)
            weights[name, "forward", "0"], weights[name, "backward", "0"] = ahead[1], back[1]
        if stack.dropout and depth != depths[-1]:
            layers[f"dropout_{depth}"] = plain("dropout", rate=stack.dropout)
    first = next(iter(weights.values()))
    assert isinstance(first, CellWeights)
    spec = chain("model", Input(name="input", shape=(None, None, first.input_size)), layers)
    return Portable(spec=spec, weights=weights, source=Source(container="torch module", resolved=stack.resolved))


def _cell(found: dict[str, Any] | None, stack: _Stack) -> tuple[Cell, CellWeights] | None:
    if found is None:
        return None
    weights = unpack("torch", stack.kind, found, reset_after=True if stack.kind == "gru" else None)
    if stack.single_bias and weights.bias is not None:
        weights = CellWeights(
            kind=weights.kind, kernel=weights.kernel, recurrent=weights.recurrent, bias=weights.bias[:1]
        )  # fmt: skip
    cell = Cell(
        kind=stack.kind, units=weights.units, input_size=weights.input_size, activation=activation(stack.nonlinearity),
        bias=weights.bias_form, reset_after=stack.kind == "gru",  # type: ignore[arg-type]
    )  # fmt: skip
    return cell, weights


def _recurrent(cell: Cell, stack: _Stack, *, go_backwards: bool = False) -> Recurrent:
    return Recurrent(cells=(cell,), return_sequences=True, go_backwards=go_backwards, time_major=stack.time_major)
