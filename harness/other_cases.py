"""The rows of GRU, SimpleRNN, stacked cells and Bidirectional: each argument shared with LSTM, and their own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from harness.problems import Layer
from harness.rows import (
    CONSTRAINTS,
    DIFFERENT,
    GRU_AFTER,
    GRU_BEFORE,
    LSTM,
    RNN,
    SLOPES,
    STRENGTH,
    Row,
    both_ways,
    run,
)
from weight_mapping.activations import activation
from weight_mapping.spec import Bidirectional, Cell, Merge

CELLS: Mapping[str, Cell] = {"gru reset_after": GRU_AFTER, "gru reset_before": GRU_BEFORE, "rnn": RNN}
_RUNS = {
    "return/last step": {"return_sequences": False, "return_state": False},
    "return/last step and states": {"return_sequences": False},
    "return/sequence alone": {"return_state": False},
    "backwards": {"go_backwards": True},
    "stateful": {"stateful": True},
    "time_major": {"time_major": True},
}
_ARGUMENTS: Mapping[str, Mapping[str, Any]] = {
    "unroll": {"unroll": True},
    "implementation/1": {"implementation": 1},
    "implementation/2": {"implementation": 2},
    "kernel_regularizer": {"kernel_regularizer": STRENGTH["l2"]},
    "recurrent_regularizer": {"recurrent_regularizer": STRENGTH["l1"]},
    "bias_regularizer": {"bias_regularizer": STRENGTH["l1l2"]},
    "activity_regularizer": {"activity_regularizer": STRENGTH["l2"]},
    "kernel_constraint": {"kernel_constraint": CONSTRAINTS["max_norm"]},
    "recurrent_constraint": {"recurrent_constraint": CONSTRAINTS["unit_norm"]},
    "bias_constraint": {"bias_constraint": CONSTRAINTS["non_neg"]},
}
_DROPOUTS: Mapping[str, Mapping[str, Any]] = {
    "dropout": {"dropout": 0.25},
    "dropout/recurrent": {"recurrent_dropout": 0.25, "dropout_per_gate": True},
    "dropout/both": {"dropout": 0.25, "recurrent_dropout": 0.5, "dropout_per_gate": True},
}


def other_rows() -> Iterator[Row]:
    for name, base in CELLS.items():
        yield from _cell_rows(name, base)
    yield from _stacks()
    yield from _both_ways()


def _cell_rows(name: str, base: Cell) -> Iterator[Row]:
    def row(what: str, layer: Layer, title: str = "", **more: Any) -> Row:
        return Row(id=f"{name}/{what}", title=f"{name}: {title or what}", layer=layer, **more)

    yield row("default", run(base), "Keras' defaults")
    yield row("relu", run(replace(base, activation=activation("relu"))), "activation=relu", gain=0.3)
    yield row("softsign", run(replace(base, activation=activation("softsign"))), "activation=softsign")
    if base.kind == "gru":
        for slope, (function, whose) in SLOPES.items():
            layer = run(replace(base, recurrent_activation=function))
            yield row(f"hard_sigmoid {slope}", layer, f"recurrent_activation={whose} hard_sigmoid", gain=3.0)
        exchanged = replace(base, activation=activation("sigmoid"), recurrent_activation=activation("tanh"))
        yield row("exchanged", run(exchanged), "tanh for the gates, sigmoid for the state")
    yield row("no bias", run(replace(base, bias="none")), "use_bias=False")
    for mask in ("right-padded", "scattered", "all-masked row"):
        yield row(f"mask/{mask}", run(base), f"a {mask} mask", mask=mask, sizes=DIFFERENT)
    last = run(base, return_sequences=False)
    yield row("mask/last step", last, "masked, the last step alone", mask="scattered", sizes=DIFFERENT)
    zeros = run(base, zero_output_for_mask=True)
    yield row("mask/zero_output_for_mask", zeros, "zeros where masked", mask="all-masked row", sizes=DIFFERENT)
    backwards = run(base, go_backwards=True)
    yield row("mask/backwards", backwards, "masked and backwards", mask="scattered", sizes=DIFFERENT)
    for what, options in _RUNS.items():
        yield row(what, run(base, **options), batches=3 if "stateful" in options else 1, sizes=DIFFERENT)
    for what, options in _DROPOUTS.items():
        yield row(what, run(replace(base, **options)), "the same masks in all, and each's own", sizes=DIFFERENT)
    for what, arguments in _ARGUMENTS.items():
        if not (base.kind == "rnn" and "implementation" in arguments):
            yield row(what, run(base), arguments=arguments, sizes=DIFFERENT)


def _stacks() -> Iterator[Row]:
    stacks = {"gru, gru": (GRU_AFTER, GRU_AFTER), "lstm, gru, rnn": (LSTM, GRU_BEFORE, RNN)}
    for name, cells in stacks.items():
        yield Row(id=f"stack/{name}", title=f"RNN over {name}", layer=run(*cells))
        masked = run(*cells, return_sequences=False)
        title = f"RNN over {name}, masked, the last step alone"
        yield Row(id=f"stack/{name}, mask", title=title, layer=masked, mask="scattered", sizes=DIFFERENT)
    layer = run(LSTM, GRU_AFTER, stateful=True)
    yield Row(id="stack/stateful", title="RNN over two cells, stateful", layer=layer, batches=3, sizes=DIFFERENT)
    layer = run(LSTM, RNN, go_backwards=True)
    yield Row(id="stack/backwards", title="RNN over two cells, backwards", layer=layer, sizes=DIFFERENT)
    layer = both_ways(LSTM, "concat")
    two = replace(layer, forward=run(LSTM, RNN), backward=run(LSTM, RNN, go_backwards=True))
    yield Row(id="stack/both ways", title="Bidirectional over stacked cells", layer=two, sizes=DIFFERENT)


def _both_ways() -> Iterator[Row]:
    def row(what: str, title: str, layer: Layer, **more: Any) -> Row:
        return Row(id=f"bidirectional/{what}", title=f"Bidirectional, {title}", layer=layer, **more)

    merges: tuple[Merge, ...] = ("concat", "sum", "mul", "ave", "none")
    for merge in merges:
        yield row(merge, f"merge {merge}", both_ways(LSTM, merge))
        masked = both_ways(GRU_AFTER, merge, zero_output_for_mask=True)
        yield row(f"mask/{merge}", f"merge {merge}, masked", masked, mask="scattered", sizes=DIFFERENT)
        last = both_ways(GRU_BEFORE, merge, return_sequences=False)
        yield row(f"last step/{merge}", f"merge {merge}, last step", last, sizes=DIFFERENT)
    yield row("last step", "last step only", both_ways(LSTM, "concat", return_sequences=False))
    last = both_ways(LSTM, "concat", return_sequences=False)
    yield row("last step/mask", "last step only, masked", last, mask="all-masked row", sizes=DIFFERENT)
    masked = both_ways(LSTM, "concat", zero_output_for_mask=True)
    yield row("mask", "zeros where masked", masked, mask="right-padded")
    yield row("gru", "GRU", both_ways(GRU_AFTER, "concat"))
    yield row("rnn", "SimpleRNN", both_ways(RNN, "sum"))
    stateless = both_ways(LSTM, "concat", return_state=False)
    yield row("no states", "states not returned", stateless, sizes=DIFFERENT)
    stateful = both_ways(LSTM, "concat", stateful=True, return_state=False)
    yield row("stateful", "stateful", stateful, batches=3, sizes=DIFFERENT)
    layer = Bidirectional(forward=run(GRU_BEFORE), backward=run(RNN, go_backwards=True))
    yield row("unlike/in kind", "a backward layer unlike in kind", layer, sizes=DIFFERENT)
    other = replace(LSTM, activation=activation("softsign"), recurrent_activation=SLOPES["1-6"][0])
    layer = Bidirectional(forward=run(LSTM), backward=run(other, go_backwards=True), merge="sum")
    yield row("unlike/in activations", "a backward layer unlike in activations", layer, sizes=DIFFERENT)
    dropping = both_ways(replace(LSTM, dropout=0.25), "concat")
    yield row("dropout", "dropout=0.25", dropping, sizes=DIFFERENT)
