"""Cells that nn.LSTM, nn.GRU and nn.RNN can't express, at their speed: C++ that is compiled at first use, on CUDA
Triton (`gpu`). Where it can't be compiled, or computes anything else than the steps of `weight_mapping.torch.steps`,
those steps run.

`choice` decides that, once a cell, after `check` has compared the two. `running` runs a cell: `words` states it as
arguments, `direct` takes the short way to `operators`, the recurrence and its gradient as PyTorch operators, and
`library` holds the compiled code, for which `formulas` writes the activations."""

from weight_mapping.torch.kernel.choice import DEVICES, SWITCH, Standing, serves, standing
from weight_mapping.torch.kernel.running import run
from weight_mapping.torch.kernel.words import words_of

__all__ = ["DEVICES", "SWITCH", "Standing", "run", "serves", "standing", "words_of"]
