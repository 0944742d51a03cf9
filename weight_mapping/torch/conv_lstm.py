"""A ConvLSTM's run over a sequence of images, channels first inside."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from weight_mapping.spec import ConvCell
from weight_mapping.torch.convolution import channels_back, channels_to_front, convolve
from weight_mapping.torch.functions import function
from weight_mapping.torch.fused import Fused, given_or_drawn, zeros
from weight_mapping.torch.steps import DropoutMasks, Stepped, lstm_update, ordered_mask, scan


def run_conv_lstm(
    cell: ConvCell,
    module: nn.Module,
    x: Tensor,
    states: list[Tensor] | None,
    mask: Tensor | None,
    dropped: DropoutMasks | None,
) -> tuple[Tensor, list[Tensor]]:
    p, first = Fused(cell, module), cell.channels_first
    x = channels_to_front(x, first, 2)
    starts = None if states is None else [channels_to_front(s, first) for s in states]
    inputs = recurrent = None
    if dropped is not None:
        inputs = given_or_drawn(_image_mask(dropped.input, cell), cell.dropout, x[0], 4)
    products = _input_images(cell, x, p, ordered_mask("lstm", inputs, cell.rank + 2))
    starts = starts or zeros(cell, products)
    if dropped is not None:
        recurrent = given_or_drawn(_image_mask(dropped.recurrent, cell), cell.recurrent_dropout, starts[0], 4)
    recurrent = ordered_mask("lstm", recurrent, cell.rank + 2)
    a, r = function(cell.activation), function(cell.recurrent_activation)

    def step(before: Tensor, states: list[Tensor]) -> Stepped:
        h, c = states
        return lstm_update(before + _state_image(cell, h, p.weight_hh, recurrent), c, a, r)

    sequence, last = scan(step, products, starts, mask)
    return channels_back(sequence, first, 2), [channels_back(s, first) for s in last]


def _image_mask(mask: Tensor | None, cell: ConvCell) -> Tensor | None:
    return None if mask is None else channels_to_front(mask, cell.channels_first, mask.ndim - cell.rank - 1)


def _input_images(cell: ConvCell, x: Tensor, p: Fused, dropped: Tensor | None) -> Tensor:
    """The input convolution of every step, as one call over T B images."""
    steps, groups, weight = x.shape[0], 1, p.weight_ih
    if dropped is not None and dropped.ndim == cell.rank + 2:
        x = x * dropped
    elif dropped is not None:
        x, groups = torch.cat([x * mask for mask in dropped], 2), len(dropped)
    images = convolve(
        x.flatten(0, 1), weight, p.bias_ih, strides=cell.strides, padding=cell.padding, dilation=cell.dilation,
        groups=groups, pad_start=cell.pad_start,
    )  # fmt: skip
    return images.reshape(steps, -1, *images.shape[1:])


def _state_image(cell: ConvCell, h: Tensor, weight: Tensor, dropped: Tensor | None) -> Tensor:
    ones, groups = (1,) * cell.rank, 1
    if dropped is not None and dropped.ndim == h.ndim:
        h = h * dropped
    elif dropped is not None:
        h, groups = torch.cat([h * mask for mask in dropped], 1), len(dropped)
    return convolve(
        h, weight, None, strides=ones, padding="same", dilation=ones, groups=groups, pad_start=cell.pad_start
    )  # fmt: skip
