"""A ConvLSTM's two products: convolutions of images in place of matrix products. Shi et al. 2015, without peepholes.

Inside, images are channels last; a layer with channels_first has them turned on the way in and out.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from weight_mapping.errors import Unsupported
from weight_mapping.oracle.convolution import convolve, convolve_adjoint
from weight_mapping.oracle.products import ALL
from weight_mapping.oracle.trace import Dropout, Float
from weight_mapping.spec import ConvCell, Recurrent


class ConvolutionProduct:
    """y_g = v * W_g + b_g for images v (B, *space, in), or a sequence of them (B, T, *space, in); the matrix
    (g, u, in, *window), the bias (g, u) or None."""

    def __init__(self, matrix: Float, bias: Float | None, rank: int, **options: Any) -> None:
        self.matrix, self.bias, self.rank, self.options = matrix, bias, rank, options
        self.d_matrix, self.d_bias = np.zeros_like(matrix), np.zeros(matrix.shape[:2])

    def __call__(self, v: Float, gates: slice = ALL) -> Float:
        images = v.reshape(-1, *v.shape[-self.rank - 1 :])
        y = np.stack([convolve(images, kernel, **self.options) for kernel in self._kernels(gates)])
        if self.bias is not None:
            y = y + self.bias[gates].reshape(-1, *(1,) * (self.rank + 1), self.matrix.shape[1])
        return y.reshape(len(y), *v.shape[: -self.rank - 1], *y.shape[2:])

    def adjoint(self, v: Float, d: Float, gates: slice = ALL) -> Float:
        images = v.reshape(-1, *v.shape[-self.rank - 1 :])
        d_images = np.zeros_like(images)
        for kernel, d_gate, d_matrix, d_bias in zip(
            self._kernels(gates), d, self.d_matrix[gates], self.d_bias[gates], strict=True
        ):
            d_y = d_gate.reshape(-1, *d_gate.shape[-self.rank - 1 :])
            d_x, d_kernel = convolve_adjoint(images, kernel, d_y, **self.options)
            d_images += d_x
            d_matrix += np.moveaxis(d_kernel, (-1, -2), (0, 1))
            d_bias += d_y.sum(tuple(range(self.rank + 1)))
        return d_images.reshape(v.shape)

    def _kernels(self, gates: slice) -> Float:
        return np.moveaxis(self.matrix[gates], (2, 1), (-2, -1))  # (g, *window, in, u)


def products(
    cell: ConvCell, kernel: Float, recurrent: Float, bias: Float | None, dropout: Dropout
) -> tuple[ConvolutionProduct, ConvolutionProduct]:
    """The convolution of the inputs and that of the states."""
    if dropout.input is not None or dropout.recurrent is not None:
        raise Unsupported("the oracle applies no dropout masks to a ConvLSTM", class_name="ConvLSTM")
    once = (1,) * cell.rank
    of_inputs: dict[str, Any] = {"strides": cell.strides, "dilation": cell.dilation, "padding": cell.padding}
    of_states: dict[str, Any] = {"strides": once, "dilation": once, "padding": "same"}
    return (
        ConvolutionProduct(kernel, bias, cell.rank, pad_start=cell.pad_start, **of_inputs),
        ConvolutionProduct(recurrent, None, cell.rank, pad_start=cell.pad_start, **of_states),
    )


def channels_last(layer: Recurrent, images: Float, axis: int) -> Float:
    """Images of a channels_first layer, whose channels are at `axis`, with the channels at the end."""
    return np.moveaxis(images, axis, -1) if _channels_first(layer) else images


def channels(layer: Recurrent, images: Float, axis: int) -> Float:
    """The way back: the channels at `axis` again where the layer is channels_first."""
    return np.moveaxis(images, -1, axis) if _channels_first(layer) else images


def _channels_first(layer: Recurrent) -> bool:
    first = layer.cells[0]
    return isinstance(first, ConvCell) and first.channels_first
