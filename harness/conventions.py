"""Where the frameworks write the same layer otherwise, and what a port does about it: a row each, told on the page."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass

from harness.results import Convention
from weight_mapping import layer_names
from weight_mapping.packing import rows_of
from weight_mapping.spec import Bidirectional, Cell, ConvCell, Layer, Recurrent, TimeDistributed, leaves


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """A layer as it is used. `words`: what else bears on it, constructor arguments of Keras by name, 'mask'."""

    layer: Layer
    words: frozenset[str] = frozenset()

    def cells(self) -> list[Cell | ConvCell]:
        return [leaf for _, leaf in leaves(self.layer) if isinstance(leaf, Cell | ConvCell)]

    def runners(self) -> list[Recurrent]:
        """The recurrent layers in it: one, or one a direction."""
        match self.layer:
            case Recurrent():
                return [self.layer]
            case Bidirectional():
                return [self.layer.forward, self.layer.backward]
            case TimeDistributed():
                return Use(layer=self.layer.layer).runners()
            case _:
                return []


Holds = Callable[[Use], bool]


def of(layer: Layer, words: Collection[str] = ()) -> tuple[str, ...]:
    """The ids of the conventions that bear on this layer, in the order of the table."""
    use = Use(layer=layer, words=frozenset(words))
    return tuple(row.id for row, holds in _ROWS if use.cells() and holds(use))


def told(ids: Iterable[str]) -> tuple[Convention, ...]:
    """The rows of these ids, each once, in the order of the table."""
    wanted = set(ids)
    return tuple(row for row, _ in _ROWS if row.id in wanted)


def _row(id: str, keras: str, torch: str, mapped: str) -> Convention:
    return Convention(id=id, keras=keras, torch=torch, mapped=mapped)


def _orders() -> Iterator[tuple[Convention, Holds]]:
    """The gates' order in either framework, out of the table of layouts."""
    for kind, name in layer_names.TORCH.items():
        ours, theirs = (rows_of(format, kind)[0].gates for format in ("keras", "torch"))
        if len(ours) > 1:
            mapped = "the blocks change places in every kernel and bias"
            if ours == theirs:
                mapped = "the same order: no block is moved; PyTorch's documents call c g"
            yield (
                _row(
                    f"order of the {kind.upper()}'s gates",
                    f"blocks {' '.join(ours)}",
                    f"{name}: blocks {' '.join(theirs)}",
                    mapped,
                ),
                _some_cell(lambda cell, kind=kind: cell.kind == kind),  # type: ignore[misc]
            )


def _some_cell(holds: Callable[[Cell | ConvCell], bool]) -> Holds:
    return lambda use: any(map(holds, use.cells()))


def _some_run(holds: Callable[[Recurrent], bool]) -> Holds:
    return lambda use: any(map(holds, use.runners()))


def _said(*words: str) -> Holds:
    return lambda use: any(word in given for given in use.words for word in words)


def _functions(cell: Cell | ConvCell) -> set[str]:
    return {cell.activation.name} | (set() if cell.kind == "rnn" else {cell.recurrent_activation.name})


def _foreign(cell: Cell | ConvCell) -> bool:
    """Whether PyTorch's own layer lacks the cell's activations."""
    usual = (cell.activation.name in ("tanh", "relu")) if cell.kind == "rnn" else cell.activation.name == "tanh"
    return not usual or (cell.kind != "rnn" and cell.recurrent_activation.name != "sigmoid")


_ROWS: tuple[tuple[Convention, Holds], ...] = (
    *_orders(),
    (
        _row(
            "axes of the kernels",
            "kernel (input, gates × units), recurrent_kernel (units, gates × units)",
            "weight_ih (gates × units, input), weight_hh (gates × units, units)",
            "transposed as one array; a reshape would fit and be wrong",
        ),
        _some_cell(lambda cell: isinstance(cell, Cell)),
    ),
    (
        _row(
            "number of biases",
            "one bias a gate",
            "two, bias_ih and bias_hh, added up",
            "the second is zero and frozen: two trainable ones would move twice as far",
        ),
        _some_cell(lambda cell: isinstance(cell, Cell) and cell.bias == "single"),
    ),
    (
        _row(
            "two biases of a reset_after GRU",
            "one array (2, gates × units)",
            "bias_ih and bias_hh",
            "row 0 becomes bias_ih, row 1 bias_hh; they are never added up: the reset gate acts on the second",
        ),
        _some_cell(lambda cell: cell.kind == "gru" and cell.bias == "split"),
    ),
    (
        _row(
            "reset_after=False",
            "the reset gate acts before the product: (r * h) U",
            "nn.GRU acts after it: r * (h U + v)",
            "a module with Keras' equations: nn.GRU can't state them",
        ),
        _some_cell(lambda cell: isinstance(cell, Cell) and cell.kind == "gru" and not cell.reset_after),
    ),
    (
        _row(
            "slope of hard_sigmoid",
            "1/5 in Keras 1 and 2, 1/6 in Keras 3",
            "1/6 in nn.Hardsigmoid",
            "the slope is part of the spec, told by who wrote the file; a module states it",
        ),
        _some_cell(lambda cell: "hard_sigmoid" in _functions(cell)),
    ),
    (
        _row(
            "activations",
            "any, for the state and for the gates",
            "tanh and sigmoid only (nn.RNN: tanh or relu)",
            "a module with Keras' equations takes the same weights",
        ),
        _some_cell(_foreign),
    ),
    (
        _row(
            "ConvLSTM",
            "one convolution from the input, one from the state; kernels (*window, in, 4 × filters)",
            "no such layer; nn.Conv kernels (out, in, *window)",
            "a module of two convolutions; axes moved, gates i f c o kept",
        ),
        _some_cell(lambda cell: isinstance(cell, ConvCell)),
    ),
    (
        _row(
            "a stack of cells",
            "RNN([cell, cell]): one layer, cells of any kind and width",
            "num_layers: one kind, one width",
            "each cell is a module; the sequence goes through one after the other",
        ),
        _some_run(lambda run: len(run.cells) > 1),
    ),
    (
        _row(
            "Bidirectional",
            "weights forward then backward; merge concat, sum, mul, ave or none",
            "suffix _reverse; concat only",
            "a layer each; the backward sequence is flipped, then merged as Keras says",
        ),
        lambda use: isinstance(use.layer, Bidirectional),
    ),
    (
        _row(
            "go_backwards",
            "outputs stay in the order of computation, last step first",
            "no such option",
            "the input is flipped, the output is not",
        ),
        lambda use: isinstance(use.layer, Recurrent) and use.layer.go_backwards,
    ),
    (
        _row(
            "masks",
            "a masked step keeps the state; the output repeats, or is 0 with zero_output_for_mask",
            "packed sequences: right-padded only, zeros out",
            "the module takes the mask (batch, time) and follows Keras' rule",
        ),
        _said("mask"),
    ),
    (
        _row(
            "states",
            "[h, c], each (batch, units)",
            "(h, c), each (layers × directions, batch, units)",
            "the port takes and gives Keras' list",
        ),
        _some_run(lambda run: run.return_state or run.stateful),
    ),
    (
        _row(
            "return_sequences=False",
            "the last step alone",
            "always the whole sequence",
            "the last step is taken, after the mask",
        ),
        _some_run(lambda run: not run.return_sequences),
    ),
    (
        _row(
            "stateful",
            "states go from batch to batch until reset_states",
            "states are handed over by the caller",
            "the module keeps them, detached",
        ),
        _some_run(lambda run: run.stateful),
    ),
    (
        _row(
            "order of the axes",
            "(batch, time, …); time_major in Keras 2",
            "(time, batch, …) unless batch_first",
            "the port takes what Keras takes",
        ),
        _some_run(lambda run: run.time_major),
    ),
    (
        _row(
            "dropout",
            "on the input and on h, one mask over all steps",
            "between layers, a fresh mask each step",
            "the module draws Keras' kind of mask; nn.LSTM(dropout=…) is another thing",
        ),
        _some_cell(lambda cell: bool(cell.dropout or cell.recurrent_dropout)),
    ),
    (
        _row(
            "initialisers",
            "glorot, orthogonal, zeros, and 1 for the forget gate's bias",
            "uniform in ±1/√units for all",
            "weights are copied; init_like_keras_ draws a fresh layer as Keras would",
        ),
        _said("initializer", "unit_forget_bias"),
    ),
    (
        _row(
            "regularisers and constraints",
            "part of the layer",
            "part of the training loop",
            "the loss's share is added, the projection follows each step",
        ),
        _said("regularizer", "constraint"),
    ),
    (
        _row(
            "how it is computed",
            "implementation, unroll: the same numbers to rounding",
            "one kernel",
            "nothing to map",
        ),
        _said("implementation", "unroll"),
    ),
)
