"""The two products of a cell, inputs by kernel and states by recurrent kernel, for all gates at once."""

from __future__ import annotations

from functools import cached_property
from typing import Protocol

import numpy as np

from weight_mapping.oracle.trace import Float, Read, float64
from weight_mapping.weights import Array

ALL = slice(None)


class Product(Protocol):
    """`product(v)` is (g, B, …, u) for v (B, …, in), dropout and bias included; `gates` picks some of the gates.

    `adjoint` takes the gradient of that result to the gradient of v, and adds up those of the matrix and the bias."""

    d_matrix: Float
    d_bias: Float

    def __call__(self, v: Float, gates: slice = ALL) -> Float: ...

    def adjoint(self, v: Float, d: Float, gates: slice = ALL) -> Float: ...


class MatrixProduct:
    """y_g = (m_g v) W_g + b_g, with the matrix (g, u, in), the bias (g, u) or None, and the dropout masks m (1, B, in)
    or (g, B, in), or with a time axis before `in`."""

    def __init__(self, matrix: Array, bias: Float | None, dropout: Float | None, read: Read = float64) -> None:
        self.given, self.bias, self.read = matrix, bias, read
        self.dropout = dropout if dropout is None or dropout.ndim > 2 else dropout[None]
        self.d_matrix = np.zeros(matrix.shape)  # takes no memory until something is added, as zeros_like does
        self.d_bias = np.zeros(matrix.shape[:2])

    @cached_property
    def matrix(self) -> Float:
        """In float64, made when it is first needed: a large layer's two are then never there at once."""
        return self.read(self.given)

    def __call__(self, v: Float, gates: slice = ALL) -> Float:
        y = self._dropped(v, gates) @ _over(self.matrix[gates].transpose(0, 2, 1), v.ndim + 1)
        return y if self.bias is None else y + _over(self.bias[gates][:, None], v.ndim + 1)

    def adjoint(self, v: Float, d: Float, gates: slice = ALL) -> Float:
        count, units, width = self.matrix[gates].shape
        dropped = np.broadcast_to(self._dropped(v, gates), (count, *v.shape))
        flat = d.reshape(count, -1, units)
        self.d_matrix[gates] += flat.transpose(0, 2, 1) @ dropped.reshape(count, -1, width)
        self.d_bias[gates] += flat.sum(1)
        d_dropped = d @ _over(self.matrix[gates], v.ndim + 1)
        mask = self._mask(v, gates)
        return np.asarray((d_dropped if mask is None else mask * d_dropped).sum(0))

    def _dropped(self, v: Float, gates: slice) -> Float:
        mask = self._mask(v, gates)
        return v[None] if mask is None else mask * v

    def _mask(self, v: Float, gates: slice) -> Float | None:
        if self.dropout is None:
            return None
        mask = self.dropout if len(self.dropout) == 1 else self.dropout[gates]
        return mask if mask.ndim == v.ndim + 1 else mask[:, :, None]


def _over(stacked: Float, ndim: int) -> Float:
    """(g, a, b) with axes of size one behind g, so that it has `ndim` axes."""
    return stacked.reshape(len(stacked), *(1,) * (ndim - 3), *stacked.shape[1:])
