"""What a saved network computes, in neutral words. No framework type, no array, nothing ambiguous.

Axis letters, the same in the whole tree: g gate, h unit, i input feature, k previous-state unit, p bias part.
Only what changes the function is here; initialisers, regularisers, constraints ride in `Source.config`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal

from weight_mapping.activations import Activation, activation
from weight_mapping.errors import shown

GATES: Mapping[str, str] = {"lstm": "ifco", "gru": "zrn", "rnn": "n"}
"""The canonical gate letters: LSTM input, forget, candidate, output; GRU update, reset, new; RNN its one."""

Kind = Literal["lstm", "gru", "rnn"]
Bias = Literal["none", "single", "split"]
Merge = Literal["concat", "sum", "mul", "ave", "none"]
_TANH, _SIGMOID = activation("tanh"), activation("sigmoid")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One step's maths. `units` is the width of the cell state, of every gate and of h alike; `input_size` may differ
    (None until the weights are known). `bias`: none; single (one vector a gate); split (input and recurrent part).

    `dropout_per_gate`: in training each gate draws its own dropout mask (Keras' implementation 1, and any layer with
    recurrent_dropout); else all gates share one (implementation 2)."""

    kind: Kind
    units: int
    input_size: int | None = None
    activation: Activation = _TANH
    recurrent_activation: Activation = _SIGMOID
    bias: Bias = "single"
    reset_after: bool = False
    dropout: float = 0.0
    recurrent_dropout: float = 0.0
    dropout_per_gate: bool = False

    @property
    def gates(self) -> str:
        return GATES[self.kind]

    @property
    def states(self) -> tuple[str, ...]:
        return ("h", "c") if self.kind == "lstm" else ("h",)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvCell:
    """A ConvLSTM's step: the LSTM's equations with convolutions for products. `padding` is same or valid; the
    recurrent convolution always has stride 1, dilation 1, padding same. `pad_start`: padding same has half a
    window before the first cell (Theano)."""

    rank: int
    units: int
    kernel_size: tuple[int, ...]
    strides: tuple[int, ...]
    padding: str
    dilation: tuple[int, ...]
    channels_first: bool = False
    pad_start: bool = False
    input_size: int | None = None
    activation: Activation = _TANH
    recurrent_activation: Activation = _SIGMOID
    bias: Bias = "single"
    dropout: float = 0.0
    recurrent_dropout: float = 0.0

    kind = "conv_lstm"
    gates = GATES["lstm"]
    states = ("h", "c")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recurrent:
    """How one cell, or a stack of them, is run over time.

    Masked steps keep the states; the output repeats, or is 0 with `zero_output_for_mask`. With `go_backwards` the
    outputs stay in the order in which they were computed. States are [h, c] of each cell in turn."""

    cells: tuple[Cell | ConvCell, ...]
    return_sequences: bool = False
    return_state: bool = False
    go_backwards: bool = False
    stateful: bool = False
    zero_output_for_mask: bool = False
    time_major: bool = False

    @property
    def state_count(self) -> int:
        return sum(len(cell.states) for cell in self.cells)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bidirectional:
    """Two recurrent layers over the same input. The backward one has go_backwards set, and its sequence of outputs is
    flipped before the merge. Outputs with states: y, forward states, backward states."""

    forward: Recurrent
    backward: Recurrent
    merge: Merge = "concat"

    @property
    def return_sequences(self) -> bool:
        return self.forward.return_sequences


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeDistributed:
    """The inner layer on each time step by itself. With `inner_mask` the mask that goes on is the one that the inner
    layer makes of the steps, as in Keras 2; without, the one that came."""

    layer: Layer
    inner_mask: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Plain:
    """A layer around the recurrent ones: a kind of `weight_mapping.plain.KINDS` and its options, all resolved."""

    kind: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "options", MappingProxyType(dict(self.options)))

    def __hash__(self) -> int:
        return hash((self.kind, repr(sorted(self.options.items()))))


@dataclass(frozen=True, slots=True)
class Slot:
    """The place of the n-th input tensor among an operation's arguments."""

    index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """An operation as a node of a functional model: a name of the closed list, and its arguments with `Slot`s."""

    name: str
    arguments: tuple[Any, ...] = ()
    keywords: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Custom:
    """A layer that a port does not know, mostly its author's own: named, never built, unless the user supplies a
    module for it."""

    class_name: str
    config: Mapping[str, Any] = field(default_factory=dict, hash=False, compare=False)

    @property
    def refusal(self) -> str:
        unknown = "is its author's own, or one of Keras' layers that a port does not know"
        return f"{shown(self.class_name)} {_NEVER_PORTED.get(self.class_name, unknown)}"


_LOOKUP = "looks its input up in a table of its own: a port takes the ids, with torch.nn.Identity() as its module"
_NEVER_PORTED = {
    "Lambda": "holds its author's own code, which a port never runs",
    **dict.fromkeys(("TextVectorization", "StringLookup", "IntegerLookup", "Hashing"), _LOOKUP),
}
"""Why not, by the name of a layer that no port will know."""


@dataclass(frozen=True, slots=True)
class Ref:
    """One output of one node."""

    node: str
    output: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One call of a layer. Two nodes with one `layer` share its weights.

    `mask`: a tensor in place of the mask that the inputs carry. Without `masked` the layer runs as if there were none,
    and what the inputs carry travels on all the same."""

    name: str
    layer: str
    inputs: tuple[Ref, ...]
    mask: Ref | None = None
    initial_state: tuple[Ref, ...] = ()
    masked: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """A model's input: its shape has None where any size will do, batch axis first."""

    name: str
    shape: tuple[int | None, ...] | None = None
    dtype: str = "float32"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """A graph of layers; a Sequential is a chain. Itself a layer, where a model holds another."""

    name: str
    inputs: tuple[Input, ...]
    layers: Mapping[str, Layer]
    nodes: tuple[Node, ...]
    outputs: tuple[Ref, ...]
    sequential: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", MappingProxyType(dict(self.layers)))

    __hash__ = None  # type: ignore[assignment]


Layer = Recurrent | Bidirectional | TimeDistributed | Plain | Operation | Custom | ModelSpec
Leaf = Cell | ConvCell | Plain | Custom
Path = tuple[str, ...]


def parts(layer: Layer) -> Iterator[tuple[str, Layer | Cell | ConvCell]]:
    """The named parts that a layer is made of, in the order in which Keras lists their weights."""
    match layer:
        case Recurrent():
            yield from ((str(n), cell) for n, cell in enumerate(layer.cells))
        case Bidirectional():
            yield from (("forward", layer.forward), ("backward", layer.backward))
        case TimeDistributed():
            yield "layer", layer.layer
        case ModelSpec():
            yield from layer.layers.items()
        case _:
            return


def leaves(layer: Layer | Cell | ConvCell, path: Path = ()) -> Iterator[tuple[Path, Leaf]]:
    """Every part that can hold weights, with its path: ("bidirectional_1", "forward", "0") is the first cell there."""
    if isinstance(layer, Cell | ConvCell | Plain | Custom):
        yield path, layer
    elif not isinstance(layer, Operation):
        for name, part in parts(layer):
            yield from leaves(part, (*path, name))


def with_leaves(layer: Any, new: Mapping[Path, Leaf], path: Path = ()) -> Any:
    """The same layer with the leaves of `new` in their places."""
    match layer:
        case Recurrent():
            return replace(layer, cells=tuple(_cell(new, (*path, str(n)), c) for n, c in enumerate(layer.cells)))
        case Bidirectional():
            forward = with_leaves(layer.forward, new, (*path, "forward"))
            return replace(layer, forward=forward, backward=with_leaves(layer.backward, new, (*path, "backward")))
        case TimeDistributed():
            return replace(layer, layer=with_leaves(layer.layer, new, (*path, "layer")))
        case ModelSpec():
            return replace(layer, layers={n: with_leaves(part, new, (*path, n)) for n, part in layer.layers.items()})
        case _:
            return new.get(path, layer)


def _cell(new: Mapping[Path, Leaf], path: Path, cell: Cell | ConvCell) -> Cell | ConvCell:
    found = new.get(path, cell)
    assert isinstance(found, Cell | ConvCell)
    return found


def chain(name: str, input_: Input, layers: Mapping[str, Layer]) -> ModelSpec:
    """A Sequential: each layer takes the first output of the one before it."""
    nodes, last = [], Ref(input_.name)
    for layer in layers:
        nodes.append(Node(name=layer, layer=layer, inputs=(last,)))
        last = Ref(layer)
    outputs = tuple(Ref(last.node, n) for n in range(output_count(layers[last.node]))) if nodes else (last,)
    return ModelSpec(name=name, inputs=(input_,), layers=layers, nodes=tuple(nodes), outputs=outputs, sequential=True)


def output_count(layer: Layer) -> int:
    """How many tensors a layer returns."""
    match layer:
        case Recurrent():
            return 1 + (layer.state_count if layer.return_state else 0)
        case Bidirectional():
            states = layer.forward.state_count + layer.backward.state_count if layer.forward.return_state else 0
            return (2 if layer.merge == "none" else 1) + states
        case ModelSpec():
            return len(layer.outputs)
        case _:
            return 1
