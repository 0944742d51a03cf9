"""What `library.call` is on the CPU: a cell's run over time, or back."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import torch
from torch import Tensor

from weight_mapping.torch.kernel.gpu import graphs, gru_after, gru_before, lstm, rnn
from weight_mapping.torch.kernel.gpu.functions import Compiled, compiled
from weight_mapping.torch.kernel.gpu.sequence import Sequence
from weight_mapping.torch.kernel.words import understood

FUNCTIONS = {
    f"{name}_{direction}": getattr(cell, direction)
    for name, cell in {"lstm": lstm, "gru_after": gru_after, "gru_before": gru_before, "rnn": rnn}.items()
    for direction in ("forward", "backward")
}


WRITTEN = ("y", "c_last", "c_all", "saved"), ("d_products", "d_recurrent", "d_h", "d_c")
"""What a run forward and a run back change of the tensors that they are given."""


def call(function: str, activation: str, recurrent_activation: str, x: Tensor, tensors: Mapping[str, Tensor]) -> None:
    """Run `function` ('lstm_forward') with two activations in words on x (T, B, i) and contiguous tensors, named as in
    run.h, all on one device."""
    run = partial(_run, function, compiled(understood(activation)), compiled(understood(recurrent_activation)))
    given = {"x": x, **tensors}
    if x.is_cuda:
        written = [name for name in WRITTEN[function.endswith("backward")] if name in given]
        with torch.cuda.device(x.device):
            graphs.run(run, (function, activation, recurrent_activation), given, written)
    else:
        run(given)  # Triton's interpreter


def _run(function: str, a: Compiled, r: Compiled, tensors: Mapping[str, Tensor]) -> None:
    FUNCTIONS[function](Sequence(a, r, tensors))
