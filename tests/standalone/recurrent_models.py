"""Recurrent layers as models: the rows of the proof's own table, every way to merge under a mask, stacks, images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from portables import layer_weights
from whole_models import at

from harness.cases import Case, cases, problem_of
from harness.problems import Sizes, sized
from harness.rows import GRU_AFTER, GRU_BEFORE, LSTM, RNN, both_ways, cell, run
from weight_mapping.activations import activation, hard_sigmoid
from weight_mapping.plain import plain
from weight_mapping.spec import (
    Bidirectional,
    ConvCell,
    Input,
    Layer,
    ModelSpec,
    Node,
    Operation,
    Recurrent,
    Ref,
    Slot,
    chain,
    output_count,
)
from weight_mapping.weights import Portable

Made = tuple[str, Callable[[], Portable]]
CELLS = {"lstm": LSTM, "gru": GRU_AFTER, "gru before": GRU_BEFORE, "rnn": RNN}
SIZES = Sizes(3, 10, 4, 5)
_SAME_OUTPUTS = ("_initializer", "_regularizer", "_constraint", "unit_forget_bias", "implementation", "unroll")
"""Rows of the proof that differ in training alone, or in how Keras runs the same equations."""


def of_case(case: Case) -> Portable:
    """A row of the proof as a model: the initial states are inputs, a mask comes from a Masking in front."""
    problem, sizes = problem_of(case), case.sizes
    batch, shape = (None, (None, None, sizes.input))
    if problem.runner.time_major:
        batch, shape = sizes.batch, (sizes.time, sizes.batch, sizes.input)  # type: ignore[assignment]
    given = [(one.units, letter) for _, one in problem.cells() for letter in one.states]
    states = [Input(name=f"{letter}{n}", shape=(batch, units)) for n, (units, letter) in enumerate(given)]
    states = states if problem.initial_state else []
    masking = {"masking": plain("masking")} if problem.mask is not None else {}
    start = tuple(Ref(one.name) for one in states)
    node = Node(name="layer", layer="layer", inputs=(Ref(*masking or ("x",)),), initial_state=start)
    spec = ModelSpec(
        name=case.id, inputs=(Input(name="x", shape=shape), *states), layers={**masking, "layer": problem.layer},
        nodes=(*(Node(name=name, layer=name, inputs=(Ref("x"),)) for name in masking), node),
        outputs=tuple(Ref("layer", n) for n in range(output_count(problem.layer))),
    )  # fmt: skip
    return Portable(spec=spec, weights=at(("layer",), dict(problem.weights)))


def behind_masking(layer: Recurrent | Bidirectional) -> Portable:
    layer = sized(layer, SIZES)
    layers: dict[str, Layer] = {"masking": plain("masking", mask_value=-1.0), "layer": layer}
    spec = chain("masked", Input(name="x", shape=(None, None, SIZES.input)), layers)
    return Portable(spec=spec, weights=at(("layer",), dict(layer_weights(layer, SIZES.input))))


def of_images(*, masked: bool = False, both: bool = False, **options: Any) -> Portable:
    """A ConvLSTM over images of three channels; the mask is an input of its own."""
    rank = options.setdefault("rank", 2)
    sizes: dict[str, Any] = {"strides": (1,) * rank, "padding": "same", "dilation": (1,) * rank}
    one = ConvCell(units=4, kernel_size=(2, 3, 2)[:rank], **{**sizes, **options})
    ahead = Recurrent(cells=(one,), return_sequences=True, return_state=True, zero_output_for_mask=both)
    back = replace(ahead, go_backwards=True)
    layer = Bidirectional(forward=ahead, backward=back, merge="sum") if both else ahead
    space = (6, 7, 5)[:rank]
    shape = (None, 10, 3, *space) if one.channels_first else (None, 10, *space, 3)
    weights = {
        path: replace(w, kernel=0.3 * w.kernel, recurrent=0.3 * w.recurrent)
        for path, w in layer_weights(layer, 3).items()
    }
    counts = Operation(name="greater", arguments=(Slot(0), 0.0))
    spec = ModelSpec(
        name="images", inputs=(Input(name="x", shape=shape), *([Input(name="m", shape=(None, 10))] if masked else [])),
        layers={**({"counts": counts} if masked else {}), "layer": layer},
        nodes=(
            *([Node(name="counts", layer="counts", inputs=(Ref("m"),))] if masked else []),
            Node(name="layer", layer="layer", inputs=(Ref("x"),), mask=Ref("counts") if masked else None),
        ),
        outputs=tuple(Ref("layer", n) for n in range(output_count(layer))),
    )  # fmt: skip
    return Portable(spec=spec, weights=at(("layer",), weights))


def _rows() -> Iterator[Made]:
    for case in cases():
        if not any(word in case.row.id for word in _SAME_OUTPUTS) and case.row.id != "lstm/chaotic":
            yield case.id, partial(of_case, case)


def _masked() -> Iterator[Made]:
    for name, one in CELLS.items():
        for sequences in (True, False):
            how = "sequence" if sequences else "last step"
            yield f"masked {name}, {how}", partial(behind_masking, run(one, return_sequences=sequences))
            for zero in (True, False):
                for merge in ("concat", "sum", "mul", "ave", "none"):
                    both = both_ways(one, merge, return_sequences=sequences, zero_output_for_mask=zero)  # type: ignore[arg-type]
                    yield f"masked {name} both ways, {merge}, {how}, zero {zero}", partial(behind_masking, both)
    yield "masked stack", partial(behind_masking, run(LSTM, GRU_BEFORE, RNN))


def _unlike() -> Iterator[Made]:
    fifth = cell("lstm", recurrent_activation=hard_sigmoid(1 / 5))
    for name, (one, other) in {"kinds": (LSTM, GRU_AFTER), "slopes": (LSTM, fifth), "states": (RNN, LSTM)}.items():
        layer = Bidirectional(forward=run(one), backward=run(other, go_backwards=True))
        yield f"backward layer unlike in {name}", partial(behind_masking, layer)


_IMAGES: Mapping[str, Mapping[str, Any]] = {
    "1": {"rank": 1}, "2": {}, "3": {"rank": 3}, "masked": {"masked": True}, "both ways": {"both": True},
    "both ways masked": {"both": True, "masked": True},
    "valid, strides": {"padding": "valid", "strides": (2, 1)}, "same, strides": {"strides": (2, 3)},
    "dilation": {"padding": "valid", "dilation": (2, 1)}, "channels first": {"channels_first": True},
    "pads at the start": {"pad_start": True, "strides": (2, 1)},
    "1/5, no bias": {"bias": "none", "recurrent_activation": hard_sigmoid(1 / 5)},
    "1/6, relu": {"activation": activation("relu"), "recurrent_activation": hard_sigmoid(1 / 6)},
}  # fmt: skip
RECURRENT: Mapping[str, Callable[[], Portable]] = {
    **dict(_rows()), **dict(_masked()), **dict(_unlike()),
    **{f"conv_lstm {name}": partial(of_images, **options) for name, options in _IMAGES.items()},
}  # fmt: skip
