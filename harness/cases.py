"""The table of cases: a case is a row and a regime of sizes.

Every argument of Keras' LSTM has its rows; GRU, SimpleRNN and Bidirectional have theirs. In the regime `different` no
two sizes are alike, so that a mixed-up axis shows as a shape; in `square` all are, so that a transpose, which fits
there, shows as a number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from harness.descent import LONG
from harness.optimizers import WALKS
from harness.penalties import configuration as c
from harness.problems import Layer, Sizes
from weight_mapping.activations import activation, hard_sigmoid
from weight_mapping.spec import Bidirectional, Cell, Merge, Recurrent

REGIMES: Mapping[str, Sizes] = {"different": Sizes(3, 11, 5, 4), "square": Sizes(10, 10, 10, 10)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One configuration. `layer` is a template: units and input size are the regime's. `arguments` go to Keras'
    constructor as they are. `gain` scales the weights (3 or more reaches both clips of a hard_sigmoid). `weights`:
    random; diagonal (the recurrent kernel's gates); fresh (what Keras' initialisers draw)."""

    id: str
    title: str
    layer: Layer
    arguments: Mapping[str, Any] = field(default_factory=dict)
    sizes: Mapping[str, Sizes] = field(default_factory=lambda: REGIMES)
    mask: str = "none"
    gain: float = 1.0
    batches: int = 1
    first_step_only: bool = False
    weights: str = "random"
    walk: str = ""
    """Compare fifty steps of this optimizer of `optimizers.WALKS`, and nothing else."""
    scalar: bool = False
    """Compare the layer with `units` layers of one unit each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A row in one regime."""

    row: Row
    regime: str

    @property
    def id(self) -> str:
        return f"{self.row.id}@{self.regime}"

    @property
    def group(self) -> str:
        """The first words of the id: 'lstm/activation'."""
        return "/".join(self.row.id.split("/")[:2])

    @property
    def sizes(self) -> Sizes:
        return self.row.sizes[self.regime]


def cases(patterns: Sequence[str] = ()) -> tuple[Case, ...]:
    """Every case, or those whose id (with or without the regime) is one of the patterns or fits it as a glob."""
    every = tuple(Case(row=row, regime=regime) for row in ROWS for regime in row.sizes)
    return tuple(case for case in every if not patterns or any(_fits(case, pattern) for pattern in patterns))


def _fits(case: Case, pattern: str) -> bool:
    return fnmatchcase(case.id, pattern) or fnmatchcase(case.row.id, pattern)


def cell(kind: Any, **options: Any) -> Cell:
    return Cell(kind=kind, units=1, **options)


def run(*cells: Cell, **options: Any) -> Recurrent:
    """A layer that shows all it has, unless `options` say otherwise: the whole sequence and the final states."""
    return Recurrent(cells=cells, **{"return_sequences": True, "return_state": True, **options})


def both_ways(cell: Cell, merge: Merge, **options: Any) -> Bidirectional:
    return Bidirectional(forward=run(cell, **options), backward=run(cell, go_backwards=True, **options), merge=merge)


LSTM, RNN = cell("lstm"), cell("rnn")
GRU_AFTER, GRU_BEFORE = cell("gru", bias="split", reset_after=True), cell("gru")
FIFTH, SIXTH = hard_sigmoid(1 / 5), hard_sigmoid(1 / 6)
DIFFERENT = {"different": REGIMES["different"]}
_SLOPES = {"1-5": (FIFTH, "Keras 1 and 2's"), "1-6": (SIXTH, "Keras 3's and PyTorch's")}


def _lstm(id: str, title: str, *, layer: Layer | None = None, **options: Any) -> Row:
    return Row(id=f"lstm/{id}", title=title, layer=layer or run(LSTM), **options)


def _sizes() -> Iterator[Row]:
    yield _lstm("default", "Keras' defaults: tanh, sigmoid, one bias")
    sizes = {"one": Sizes(3, 12, 5, 1), "wide": Sizes(2, 10, 3, 17), "narrow": Sizes(2, 10, 17, 3)}
    yield _lstm("units", "units: the width of state, gates and h alike, whatever the input's", sizes=sizes)
    yield _lstm("input size/one", "one input feature", sizes={"one": Sizes(3, 12, 1, 4)})
    yield _lstm("batch/one", "a batch of one", sizes={"one": Sizes(1, 12, 5, 4)})
    yield _lstm("time/long", "a hundred steps", sizes={"long": Sizes(2, 100, 3, 4)})
    yield _lstm("chaotic", "weights so large that rounding errors grow", gain=16.0, sizes={"long": Sizes(2, 40, 5, 12)})


_ACTIVATIONS = ("relu", "linear", "sigmoid", "softsign", "softplus", "elu", "selu", "gelu", "silu", "exponential")
_GAINS = {"linear": 0.3, "relu": 0.3, "softplus": 0.3, "exponential": 0.02}  # unbounded: else the state runs away
_RECURRENT = ("tanh", "linear", "relu", "softsign")


def _activations() -> Iterator[Row]:
    for name in _ACTIVATIONS:
        gain = _GAINS.get(name, 1.0)
        layer = run(cell("lstm", activation=activation(name)))
        yield _lstm(f"activation/{name}", f"activation={name}", layer=layer, gain=gain)
    layer = run(cell("lstm", activation=SIXTH))
    yield _lstm("activation/hard_sigmoid 1-6", "activation=hard_sigmoid of slope 1/6", layer=layer, gain=3.0)
    for slope, (function, whose) in _SLOPES.items():
        layer = run(cell("lstm", recurrent_activation=function))
        title = f"recurrent_activation=hard_sigmoid of slope {function.parameters[0][1]:.4f}, {whose}"
        yield _lstm(f"recurrent_activation/hard_sigmoid {slope}", title, layer=layer, gain=3.0)
    for name in _RECURRENT:
        layer = run(cell("lstm", recurrent_activation=activation(name)))
        yield _lstm(f"recurrent_activation/{name}", f"recurrent_activation={name}", layer=layer, gain=0.3)
    layer = run(cell("lstm", activation=activation("sigmoid"), recurrent_activation=activation("tanh")))
    yield _lstm("recurrent_activation/exchanged", "tanh for the gates, sigmoid for the state", layer=layer)


_RANDOM = {
    "glorot_uniform": c("GlorotUniform", seed=7),
    "he_normal": c("HeNormal", seed=7),
    "orthogonal": c("Orthogonal", seed=7),
    "random_normal": c("RandomNormal", stddev=0.5, seed=7),
    "random_uniform": c("RandomUniform", minval=-0.5, maxval=0.5, seed=7),
    "constant": c("Constant", value=0.25),
    "zeros": c("Zeros"),
    "ones": c("Ones"),
}


def _initialisers() -> Iterator[Row]:
    seeded = {"kernel_initializer": _RANDOM["glorot_uniform"], "recurrent_initializer": _RANDOM["orthogonal"]}
    for argument, names in (
        ("kernel_initializer", ("glorot_uniform", "he_normal", "random_normal", "constant")),
        ("recurrent_initializer", ("orthogonal", "glorot_uniform", "random_uniform", "zeros")),
    ):
        for name in names:
            arguments: dict[str, Any] = {**seeded, argument: _RANDOM[name]}
            yield _fresh(f"{argument}/{name}", f"{argument}={name}", arguments)
    for name in ("zeros", "ones", "constant", "random_normal", "random_uniform"):
        for forget in (True, False):
            arguments = {**seeded, "bias_initializer": _RANDOM[name], "unit_forget_bias": forget}
            title = f"bias_initializer={name}, unit_forget_bias={forget}"
            yield _fresh(f"unit_forget_bias/{forget} {name}", title, arguments)


def _fresh(id: str, title: str, arguments: Mapping[str, Any]) -> Row:
    return _lstm(id, title, arguments=arguments, weights="fresh", sizes=DIFFERENT)


_STRENGTH = {"l1": c("L1", l1=0.015625), "l2": c("L2", l2=0.03125), "l1l2": c("L1L2", l1=0.015625, l2=0.0625)}
_CONSTRAINTS = {
    "max_norm": c("MaxNorm", max_value=1.0, axis=0),
    "non_neg": c("NonNeg"),
    "unit_norm": c("UnitNorm", axis=0),
    "min_max_norm": c("MinMaxNorm", min_value=0.5, max_value=1.0, rate=0.75, axis=0),
}


def _penalties() -> Iterator[Row]:
    for part, names in {"kernel": ("l1", "l2", "l1l2"), "recurrent": ("l2", "l1l2"), "bias": ("l1", "l2")}.items():
        for name in names:
            arguments = {f"{part}_regularizer": _STRENGTH[name]}
            title = f"{part}_regularizer={name}: its share of the loss and of a training step"
            yield _lstm(f"{part}_regularizer/{name}", title, arguments=arguments, sizes=DIFFERENT)
    title = "activity_regularizer=l2: of every output, the mean over the batch"
    arguments = {"activity_regularizer": _STRENGTH["l2"]}
    yield _lstm("activity_regularizer/l2", title, arguments=arguments, sizes=DIFFERENT)
    for part in ("kernel", "recurrent", "bias"):
        for name, config in _CONSTRAINTS.items():
            arguments = {f"{part}_constraint": config}
            title = f"{part}_constraint={name}: a projection after every training step"
            yield _lstm(f"{part}_constraint/{name}", title, arguments=arguments, sizes=DIFFERENT)
    arguments = {"kernel_constraint": c("MaxNorm", max_value=0.5, axis=1)}
    yield _lstm("kernel_constraint/axis 1", "norms over the gates' axis", arguments=arguments, sizes=DIFFERENT)


def _running() -> Iterator[Row]:
    yield _lstm("use_bias/False", "use_bias=False", layer=run(cell("lstm", bias="none")))
    for number in (1, 2):
        yield _lstm(f"implementation/{number}", f"implementation={number}", arguments={"implementation": number})
    yield _lstm("unroll/True", "unroll=True", arguments={"unroll": True})
    for sequences in (True, False):
        for state in (True, False):
            layer = run(LSTM, return_sequences=sequences, return_state=state)
            title = f"return_sequences={sequences}, return_state={state}"
            yield _lstm(f"return/sequences {sequences} state {state}", title, layer=layer)
    yield _lstm("go_backwards/True", "outputs stay in reversed order", layer=run(LSTM, go_backwards=True))
    title = "the state goes from batch to batch, until reset_states"
    yield _lstm("stateful/three batches", title, layer=run(LSTM, stateful=True), batches=3)
    title = "input at the first step only, zeros after"
    yield _lstm("input/first step only", title, first_step_only=True)
    yield _lstm("time_major/True", "time_major=True, Keras 2 only", layer=run(LSTM, time_major=True))
    yield _lstm("stack/two cells", "RNN over two cells", layer=run(LSTM, LSTM))
    for mask in ("right-padded", "scattered", "all-masked row"):
        yield _lstm(f"mask/{mask}", f"a {mask} mask, the whole sequence returned", mask=mask)
        layer = run(LSTM, return_sequences=False)
        yield _lstm(f"mask/{mask}, last step", f"a {mask} mask, the last step returned", layer=layer, mask=mask)
    layer = run(LSTM, zero_output_for_mask=True)
    yield _lstm("mask/zero_output_for_mask", "zeros where masked", layer=layer, mask="all-masked row")
    layer = run(LSTM, go_backwards=True)
    yield _lstm("mask/go_backwards", "masked and backwards", layer=layer, mask="scattered")


def _dropouts() -> Iterator[Row]:
    for name, options in {
        "dropout/implementation 2": {"dropout": 0.25},
        "dropout/implementation 1": {"dropout": 0.25, "dropout_per_gate": True},
        "recurrent_dropout/alone": {"recurrent_dropout": 0.25, "dropout_per_gate": True},
        "recurrent_dropout/with dropout": {"dropout": 0.25, "recurrent_dropout": 0.5, "dropout_per_gate": True},
    }.items():
        given = ", ".join(f"{k}={v}" for k, v in options.items() if k != "dropout_per_gate")
        # tf_keras' fast path takes one mask for all gates whatever `implementation` says; an unrolled layer leaves it.
        arguments = {"unroll": True} if name == "dropout/implementation 1" else {}
        title = f"{given}: the same masks in all, and masks of each's own"
        yield _lstm(name, title, layer=run(cell("lstm", **options)), arguments=arguments)


def _scalars() -> Iterator[Row]:
    for weights, holds in (("diagonal", "true: the recurrent kernel is diagonal"), ("random", "false: it is full")):
        title = f"LSTM(n) is n independent scalar LSTMs: {holds}"
        yield _lstm(f"n scalar LSTMs/{weights}", title, weights=weights, scalar=True, sizes=DIFFERENT)


def _other_cells() -> Iterator[Row]:
    for name, base in {"reset_after": GRU_AFTER, "reset_before": GRU_BEFORE}.items():
        yield from _grus(name, base)
    yield Row(id="rnn/default", title="SimpleRNN, tanh", layer=run(RNN))
    yield Row(id="rnn/relu", title="SimpleRNN, relu", layer=run(cell("rnn", activation=activation("relu"))), gain=0.5)
    yield Row(id="rnn/no bias", title="SimpleRNN without bias", layer=run(cell("rnn", bias="none")))
    yield Row(id="rnn/mask", title="SimpleRNN, scattered mask", layer=run(RNN), mask="scattered")
    dropping = cell("rnn", dropout=0.25, recurrent_dropout=0.25, dropout_per_gate=True)
    yield Row(id="rnn/dropout", title="SimpleRNN with both dropouts", layer=run(dropping))


def _grus(name: str, base: Cell) -> Iterator[Row]:
    options: dict[str, Any] = {"bias": base.bias, "reset_after": base.reset_after}

    def row(what: str, title: str, layer: Layer, **more: Any) -> Row:
        return Row(id=f"gru {name}/{what}", title=f"GRU {name}: {title}", layer=layer, **more)

    yield row("default", "tanh, sigmoid", run(base))
    for slope, (function, whose) in _SLOPES.items():
        layer = run(cell("gru", recurrent_activation=function, **options))
        yield row(f"hard_sigmoid {slope}", f"recurrent_activation={whose} hard_sigmoid", layer, gain=3.0)
    yield row("no bias", "use_bias=False", run(cell("gru", **{**options, "bias": "none"})))
    yield row("mask", "scattered mask", run(base), mask="scattered")
    yield row("backwards", "go_backwards=True", run(base, go_backwards=True))
    yield row("dropout", "dropout=0.25", run(cell("gru", dropout=0.25, **options)))


def _both_ways() -> Iterator[Row]:
    merges: tuple[Merge, ...] = ("concat", "sum", "mul", "ave", "none")
    for merge in merges:
        yield Row(id=f"bidirectional/{merge}", title=f"Bidirectional, merge {merge}", layer=both_ways(LSTM, merge))
    last = both_ways(LSTM, "concat", return_sequences=False)
    yield Row(id="bidirectional/last step", title="Bidirectional, last step only", layer=last)
    masked = both_ways(LSTM, "concat", zero_output_for_mask=True)
    yield Row(id="bidirectional/mask", title="Bidirectional, zeros where masked", layer=masked, mask="right-padded")
    yield Row(id="bidirectional/gru", title="Bidirectional GRU", layer=both_ways(GRU_AFTER, "concat"))
    yield Row(id="bidirectional/rnn", title="Bidirectional SimpleRNN", layer=both_ways(RNN, "sum"))


def _walks() -> Iterator[Row]:
    for name, walk in WALKS.items():
        options = ", ".join(f"{key}={value}" for key, value in walk.config.items())
        title = f"{LONG} steps of {walk.class_name}" + (f" with {options}" if options else "")
        yield Row(id=f"training/{name}", title=title, layer=run(LSTM), walk=name, sizes=DIFFERENT)
    arguments = {"kernel_regularizer": _STRENGTH["l2"]}
    title = f"{LONG} steps of Adam with an L2 regulariser, which is in the loss and no weight decay"
    yield Row(
        id="training/Adam L2", title=title, layer=run(LSTM), walk="Adam", arguments=arguments, sizes=DIFFERENT
    )  # fmt: skip


def _all() -> Iterator[Row]:
    for part in (
        _sizes, _activations, _running, _dropouts, _initialisers, _penalties, _scalars, _other_cells, _both_ways,
        _walks,
    ):  # fmt: skip
        yield from part()


ROWS: tuple[Row, ...] = tuple(_all())
