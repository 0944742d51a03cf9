"""Cells that nn.LSTM, nn.GRU and nn.RNN can't express, at their speed: C++ that is compiled at first use, on CUDA
Triton.

Where it can't be compiled, or computes anything else than the steps of `weight_mapping.torch.steps`, those steps run.
"""

from weight_mapping.torch.kernel.choice import DEVICES, SWITCH, Standing, serves, standing
from weight_mapping.torch.kernel.running import run
from weight_mapping.torch.kernel.words import words_of

__all__ = ["DEVICES", "SWITCH", "Standing", "run", "serves", "standing", "words_of"]
