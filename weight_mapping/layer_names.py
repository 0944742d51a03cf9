"""What Keras and PyTorch call the recurrent layer of each kind of cell."""

from __future__ import annotations

from collections.abc import Mapping

KERAS: Mapping[str, str] = {"lstm": "LSTM", "gru": "GRU", "rnn": "SimpleRNN"}
"""Keras' class; with "Cell" behind it, that of one step."""
TORCH: Mapping[str, str] = {"lstm": "nn.LSTM", "gru": "nn.GRU", "rnn": "nn.RNN"}
