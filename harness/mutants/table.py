"""Wrong ports, each a row: what a mistaken convention makes of a problem, and how to mend it.

They serve twice. `lstm-parity verify` plants each and must turn red: a harness that can't fail proves nothing. And
`diagnose` tries each on a port that disagrees, and names the one that explains the difference.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations, permutations

import numpy as np

from harness.mutants import mistakes, of_runs, of_training, of_weights
from harness.mutants.mutant import Mutant
from weight_mapping.spec import GATES

__all__ = ["MUTANTS", "SEEN_IN_OUTPUTS", "Mutant", "orders", "swaps"]


def swaps() -> Iterator[Mutant]:
    """Every two gates exchanged."""
    for kind, base in (("lstm", "lstm/default"), ("gru", "gru reset_after/default")):
        for a, b in combinations(GATES[kind], 2):
            yield Mutant(
                id=f"gates {a} and {b} of {kind} swapped",
                description=f"the blocks of the gates {a} and {b} are taken for each other",
                fix=f"exchange the blocks {a} and {b} in kernel, recurrent kernel and bias",
                change=mistakes.of_weights(mistakes.reordered(mistakes.exchanged(GATES[kind], a, b))),
                base=base,
            )


_KNOWN_ORDERS = {"icfo": "Keras 1's and TensorFlow 1's", "iofc": "ONNX's", "fico": "OpenVINO's"}


def orders() -> Iterator[Mutant]:
    """Every other order of the gates: the rows above exchange two, these more."""
    for kind, gates in GATES.items():
        for order in map("".join, permutations(gates)):
            if sum(a != b for a, b in zip(gates, order, strict=True)) > 2:
                whose = f", {_KNOWN_ORDERS[order]}," if order in _KNOWN_ORDERS else ""
                yield Mutant(
                    id=f"gates of {kind} in the order {order}",
                    description=f"the gates are read in the order {order}{whose} instead of {gates}",
                    fix=f"bring the blocks from {order} into the order {gates}",
                    change=mistakes.of_weights(mistakes.reordered(order)),
                )


_SLOPED, _SLOPED_AS_TORCH = (f"lstm/recurrent_activation/hard_sigmoid {slope}" for slope in ("1-5", "1-6"))
_OTHERS = ("gru reset_after/default", "gru reset_before/default", "rnn/default")

_GENERAL = (
    Mutant(
        id="bias dropped", description="the biases are left at zero", fix="copy the bias",
        change=mistakes.of_weights(mistakes.of_bias(np.zeros_like)), also=_OTHERS,
    ),
    Mutant(
        id="bias doubled", description="the one bias is put into both of PyTorch's", fix="set bias_hh to zero",
        change=mistakes.of_weights(mistakes.of_bias(lambda bias: 2 * bias)),
    ),
    Mutant(
        id="forget bias added twice", description="1 is added to a forget bias that holds it already",
        fix="copy the stored bias as it is: unit_forget_bias only matters when a layer is made",
        change=mistakes.of_weights(mistakes.of_bias(mistakes.more_forget, "lstm")),
    ),
    Mutant(
        id="recurrent kernel transposed", description="each gate's recurrent kernel is transposed",
        fix="transpose the fused array once: weight_hh = recurrent_kernel.T",
        change=mistakes.of_weights(mistakes.turned("recurrent")), also=_OTHERS,
    ),
    Mutant(
        id="kernel transposed", description="each gate's kernel is transposed",
        fix="transpose the fused array once: weight_ih = kernel.T",
        change=mistakes.of_weights(mistakes.turned("kernel")), regimes=("square",),
    ),
    Mutant(
        id="kernel reshaped", description="the fused kernel is reshaped to PyTorch's shape instead of transposed",
        fix="transpose it: weight_ih = kernel.T", change=mistakes.of_weights(mistakes.reread),
    ),
    Mutant(
        id="other hard_sigmoid",
        description="hard_sigmoid with the other slope: 1/5 is Keras 1 and 2's, 1/6 Keras 3's and PyTorch's",
        fix="say the slope: the version of Keras that wrote the file tells it",
        change=mistakes.of_cells(mistakes.other_slope), base=_SLOPED, also=(_SLOPED_AS_TORCH,),
    ),
    Mutant(
        id="sigmoid for hard_sigmoid",
        description="the gates go through sigmoid, as in nn.LSTM, where the layer says hard_sigmoid",
        fix="use a module that can state recurrent_activation; nn.LSTM can't",
        change=mistakes.of_cells(mistakes.plain_sigmoid), base=_SLOPED, also=(_SLOPED_AS_TORCH,),
    ),
    Mutant(
        id="direction", description="go_backwards is missed, or set where it should not be",
        fix="take go_backwards from the configuration",
        change=mistakes.of_layer(lambda layer: replace(layer, go_backwards=not layer.go_backwards)),
        also=("lstm/go_backwards/True",),
    ),
    Mutant(
        id="merge mode", description="the two directions are merged in another way",
        fix="take merge_mode from the configuration", change=mistakes.other_merge, base="bidirectional/sum",
        also=("bidirectional/concat", "bidirectional/mul", "bidirectional/ave"),
    ),
    Mutant(
        id="directions swapped", description="the forward layer has the backward one's weights and the other way round",
        fix="forward weights come first", change=mistakes.sides_swapped, base="bidirectional/sum",
    ),
    Mutant(
        id="mask ignored", description="masked steps are computed like any other",
        fix="hand the mask to the layer, or pack the sequence", change=mistakes.without_mask,
        base="lstm/mask/scattered",
    ),
    Mutant(
        id="zero_output_for_mask",
        description="at masked steps the output is zero where it should repeat, or the other way round",
        fix="take zero_output_for_mask from the configuration; within Bidirectional it is set",
        change=mistakes.of_layer(lambda layer: replace(layer, zero_output_for_mask=not layer.zero_output_for_mask)),
        base="lstm/mask/scattered",
    ),
    Mutant(
        id="states h and c swapped", description="the initial states are handed over in the order c, h",
        fix="the order is h, c", change=mistakes.states_swapped,
    ),
    Mutant(
        id="initial state ignored", description="the layer starts from zeros", fix="hand over the initial states",
        change=mistakes.states_ignored,
    ),
    Mutant(
        id="reset_after",
        description="the GRU's reset gate acts before the product instead of after it, or the other way round",
        fix="take reset_after from the configuration; absent means False; nn.GRU is True",
        change=mistakes.of_cells(mistakes.other_reset), base="gru reset_after/default",
        also=("gru reset_before/default",),
    ),
    Mutant(
        id="GRU bias parts swapped", description="the input's and the recurrent part of the bias change places",
        fix="row 0 of Keras' bias is the input's: bias_ih", change=mistakes.of_weights(mistakes.parts_swapped),
        base="gru reset_after/default",
    ),
    Mutant(
        id="GRU bias folded", description="the two parts of a reset_after GRU's bias are added up",
        fix="keep both: the recurrent part is inside the reset gate's product",
        change=mistakes.of_weights(mistakes.folded), base="gru reset_after/default",
    ),
    Mutant(
        id="float32 for float64", description="the numbers were cut to float32 on the way",
        fix="compute and compare in one precision", look=mistakes.single,
    ),
    Mutant(
        id="NaN in a later output", description="one number is not finite", fix="find the operation that made it",
        look=mistakes.one_nan,
    ),
    Mutant(
        id="return_sequences off by one", description="each step shows the output of the step before it",
        fix="the first output belongs to the first step", look=mistakes.off_by_one,
    ),
    Mutant(
        id="time-major mix-up", description="the axes of batch and time are taken for each other",
        fix="set batch_first=True, or transpose the input", change=mistakes.axes_mixed,
    ),
)  # fmt: skip
MUTANTS: tuple[Mutant, ...] = (*swaps(), *_GENERAL, *of_weights.ROWS, *of_runs.ROWS, *of_training.ROWS)
"""Every wrong port."""
SEEN_IN_OUTPUTS: tuple[Mutant, ...] = tuple(m for m in MUTANTS if m.check == "outputs")
