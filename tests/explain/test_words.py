"""What both explanations say alike."""

from __future__ import annotations

from dataclasses import replace

from harness.explain.words import parameter_formula
from weight_mapping.spec import Cell, ConvCell

LSTM, GRU, RNN = (Cell(kind=kind, units=3) for kind in ("lstm", "gru", "rnn"))  # type: ignore[arg-type]
IMAGE = ConvCell(rank=2, units=3, kernel_size=(2, 3), strides=(1, 1), padding="same", dilation=(1, 1))


def test_the_parameters_are_counted_with_the_numbers_in() -> None:
    assert parameter_formula(LSTM) == "4 x (3 x input + 3 x 3 + 1 x 3)"
    # 4 (3·5 + 3·3 + 3) = 108; 3 (3·5 + 9 + 2·3) = 90; 3·5 + 9 = 24
    assert parameter_formula(replace(LSTM, input_size=5)).endswith("4 x (3 x 5 + 3 x 3 + 1 x 3) = 108")
    assert parameter_formula(replace(GRU, input_size=5, bias="split")) == "3 x (3 x 5 + 3 x 3 + 2 x 3) = 90"
    assert parameter_formula(replace(RNN, input_size=5, bias="none")) == "1 x (3 x 5 + 3 x 3 + 0 x 3) = 24"
    # 4 (3·5·6 + 3·3·6 + 3) = 588 with windows of 2 x 3
    assert parameter_formula(IMAGE) == "4 x (3 x input x 6 + 3 x 3 x 6 + 1 x 3)"
    assert parameter_formula(replace(IMAGE, input_size=5)) == "4 x (3 x 5 x 6 + 3 x 3 x 6 + 1 x 3) = 588"
