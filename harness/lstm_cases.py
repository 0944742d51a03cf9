"""The rows of LSTM: every argument of Keras' layer, and training by every optimizer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from harness.problems import Layer, Sizes
from harness.rows import CONSTRAINTS, DIFFERENT, LSTM, SIXTH, SLOPES, STRENGTH, Row, cell, run
from harness.training.descent import LONG
from harness.training.optimizers import WALKS
from harness.training.penalties import configuration as c
from weight_mapping.activations import activation


def lstm_rows() -> Iterator[Row]:
    for part in (_sizes, _activations, _running, _dropouts, _initialisers, _penalties, _scalars):
        yield from part()


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
    for slope, (function, whose) in SLOPES.items():
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


def _penalties() -> Iterator[Row]:
    for part, names in {"kernel": ("l1", "l2", "l1l2"), "recurrent": ("l2", "l1l2"), "bias": ("l1", "l2")}.items():
        for name in names:
            arguments = {f"{part}_regularizer": STRENGTH[name]}
            title = f"{part}_regularizer={name}: its share of the loss and of a training step"
            yield _lstm(f"{part}_regularizer/{name}", title, arguments=arguments, sizes=DIFFERENT)
    title = "activity_regularizer=l2: of every output, the mean over the batch"
    arguments = {"activity_regularizer": STRENGTH["l2"]}
    yield _lstm("activity_regularizer/l2", title, arguments=arguments, sizes=DIFFERENT)
    for part in ("kernel", "recurrent", "bias"):
        for name, config in CONSTRAINTS.items():
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


def training_rows() -> Iterator[Row]:
    for name, walk in WALKS.items():
        options = ", ".join(f"{key}={value}" for key, value in walk.config.items())
        title = f"{LONG} steps of {walk.class_name}" + (f" with {options}" if options else "")
        title += f"; {walk.remark}" if walk.remark else ""
        yield Row(id=f"training/{name}", title=title, layer=run(LSTM), walk=name, sizes=DIFFERENT)
    arguments = {"kernel_regularizer": STRENGTH["l2"]}
    title = f"{LONG} steps of Adam with an L2 regulariser, which is in the loss and no weight decay"
    yield Row(
        id="training/Adam L2", title=title, layer=run(LSTM), walk="Adam", arguments=arguments, sizes=DIFFERENT
    )  # fmt: skip
