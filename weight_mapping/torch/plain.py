"""The layers around the recurrent ones in PyTorch: one function for each kind of `weight_mapping.plain.KINDS`.

A function takes a `PlainCall` and gives the layer's output. Data stays in Keras' order of axes; what PyTorch wants
otherwise is turned inside.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from weight_mapping.activations import activation
from weight_mapping.errors import WeightsMismatch
from weight_mapping.merging import MERGES, merged
from weight_mapping.plain import KINDS, STATISTICS, weight_shapes
from weight_mapping.spec import Plain
from weight_mapping.torch import arrays, images, noise, normalisation
from weight_mapping.torch.attention import attention, multi_head_attention
from weight_mapping.torch.functions import function
from weight_mapping.torch.plain_call import PlainCall
from weight_mapping.weights import Array

_SOFTPLUS = activation("softplus")


class PlainLayer(nn.Module):
    """One layer with its weights; `forward(inputs, masks)` gives its output."""

    def __init__(
        self, layer: Plain, weights: Mapping[str, Array], dtype: torch.dtype | None = None, where: str = "layer"
    ) -> None:
        super().__init__()
        if weights.keys() != weight_shapes(layer).keys():
            what, expected = f"{layer.kind} has other weights", list(weight_shapes(layer))
            raise WeightsMismatch(what, where=where, found=sorted(weights), expected=expected)
        self.layer = layer
        for name, array in weights.items():
            if name in STATISTICS:
                self.register_buffer(name, arrays.tensor(array, dtype))
            else:
                self.register_parameter(name, arrays.parameter(array, dtype))

    def weights(self) -> dict[str, Tensor]:
        """Parameters and statistics in Keras' order."""
        found = {**dict(self.named_parameters()), **dict(self.named_buffers())}
        return {name: found[name] for name in weight_shapes(self.layer)}

    def forward(self, inputs: Sequence[Tensor], masks: Sequence[Tensor | None] = ()) -> Tensor:
        if KINDS[self.layer.kind].training_only and not self.training:
            return inputs[0]
        call = PlainCall(p=self.weights(), o=self.layer.options, inputs=inputs, masks=masks, training=self.training)
        return FUNCTIONS[self.layer.kind](call)

    def extra_repr(self) -> str:
        return self.layer.kind


def _dense(c: PlainCall) -> Tensor:
    return function(c.o["activation"])(functional.linear(c.x, c.p["kernel"].t(), c.p.get("bias")))


def _embedding(c: PlainCall) -> Tensor:
    return functional.embedding(c.x.long(), c.p["embeddings"])


def _masking(c: PlainCall) -> Tensor:
    counts: Tensor = (c.x != c.o["mask_value"]).any(-1, keepdim=True)
    return c.x * counts


def _activation(c: PlainCall) -> Tensor:
    return function(c.o["activation"])(c.x)


def _prelu(c: PlainCall) -> Tensor:
    return torch.relu(c.x) - c.p["alpha"] * torch.relu(-c.x)


def _srelu(c: PlainCall) -> Tensor:
    left, right = c.p["t_left"], c.p["t_left"] + c.p["t_right"].abs()
    outside = c.p["a_right"] * torch.relu(c.x - right) - c.p["a_left"] * torch.relu(left - c.x)
    return torch.minimum(torch.maximum(c.x, left), right) + outside


def _flatten(c: PlainCall) -> Tensor:
    x = c.x.movedim(1, -1) if c.o["channels_first"] and c.x.ndim > 2 else c.x
    return x.reshape(x.shape[0], -1)


def _concatenate(c: PlainCall) -> Tensor:
    return torch.cat(list(c.inputs), c.o["axis"])


def _merge(kind: str) -> Callable[[PlainCall], Tensor]:
    return lambda c: merged(kind, c.o["any_mask"], c.inputs, c.masks, torch)


def _product(x: Tensor, y: Tensor, axes: int | tuple[int, int], normalize: bool = False) -> Tensor:
    """The product over one axis of each input, batch by batch; two vectors give (B, 1)."""
    first, second = (axes, axes) if isinstance(axes, int) else axes
    if normalize:
        x, y = (functional.normalize(v, dim=axis, eps=1e-6) for v, axis in ((x, first), (y, second)))
    x, y = x.movedim(first, -1), y.movedim(second, 1)
    product = x.reshape(x.shape[0], -1, x.shape[-1]) @ y.reshape(y.shape[0], y.shape[1], -1)
    return product.reshape(x.shape[0], *(*x.shape[1:-1], *y.shape[2:]) or (1,))


def _cosine(c: PlainCall) -> Tensor:
    (x, y), axes = c.inputs, c.o["axes"]
    own = torch.sqrt(_product(x, x, axes) * _product(y, y, axes))
    return (_product(x, y, axes) / own.clamp(min=1e-7)).unsqueeze(1)


def _einsum(c: PlainCall) -> Tensor:
    y = torch.einsum(c.o["equation"], c.x, c.p["kernel"])
    return function(c.o["activation"])(y + c.p["bias"] if "bias" in c.p else y)


def _highway(c: PlainCall) -> Tensor:
    carry = torch.sigmoid(functional.linear(c.x, c.p["carry_kernel"].t(), c.p.get("carry_bias")))
    changed = function(c.o["activation"])(functional.linear(c.x, c.p["kernel"].t(), c.p.get("bias")))
    return torch.lerp(c.x, changed, carry)


def _maxout(c: PlainCall) -> Tensor:
    pieces = torch.einsum("...i,fiu->...fu", c.x, c.p["kernel"])
    return (pieces + c.p["bias"] if "bias" in c.p else pieces).amax(-2)


FUNCTIONS: dict[str, Callable[[PlainCall], Tensor]] = {
    "dense": _dense,
    "embedding": _embedding,
    "masking": _masking,
    "identity": lambda c: c.x,
    "dropout": lambda c: noise.dropout(c.x, c.o["rate"], c.o["noise_shape"]),
    "spatial_dropout": lambda c: noise.spatial_dropout(c.x, c.o["rate"], c.o["rank"], c.o["channels_first"]),
    "gaussian_dropout": lambda c: noise.gaussian_dropout(c.x, c.o["rate"]),
    "gaussian_noise": lambda c: noise.gaussian_noise(c.x, c.o["stddev"]),
    "alpha_dropout": lambda c: noise.alpha_dropout(c.x, c.o["rate"]),
    "activation": _activation,
    "prelu": _prelu,
    "srelu": _srelu,
    "parametric_softplus": lambda c: c.p["alphas"] * function(_SOFTPLUS)(c.p["betas"] * c.x),
    "flatten": _flatten,
    "reshape": lambda c: c.x.reshape(c.x.shape[0], *c.o["target_shape"]),
    "permute": lambda c: c.x.permute(0, *c.o["dims"]),
    "repeat_vector": lambda c: c.x.unsqueeze(1).expand(-1, c.o["n"], -1),
    "concatenate": _concatenate,
    **{kind: _merge(kind) for kind in MERGES},
    "dot": lambda c: _product(c.inputs[0], c.inputs[1], c.o["axes"], c.o["normalize"]),
    "cosine": _cosine,
    "batch_normalization": lambda c: normalisation.batch_normalization(c.p, c.o, c.x, c.mask, c.training),
    "layer_normalization": lambda c: normalisation.layer_normalization(c.p, c.o, c.x),
    "rms_normalization": lambda c: normalisation.rms_normalization(c.p, c.o, c.x),
    "group_normalization": lambda c: normalisation.group_normalization(c.p, c.o, c.x),
    "unit_normalization": lambda c: normalisation.unit_normalization(c.o, c.x),
    "normalization": lambda c: normalisation.normalization(c.p, c.o, c.x),
    "rescaling": lambda c: c.x * _like(c.o["scale"], c.x) + _like(c.o["offset"], c.x),
    "attention": lambda c: attention(c.p, c.o, c.inputs, c.masks, c.training),
    "multi_head_attention": lambda c: multi_head_attention(c.p, c.o, c.inputs, c.masks, c.training),
    "einsum_dense": _einsum,
    "highway": _highway,
    "maxout_dense": _maxout,
    **images.FUNCTIONS,
}


def _like(value: Any, x: Tensor) -> Tensor | float:
    """A number, or an array of numbers that broadcasts over the last axis."""
    return float(value) if isinstance(value, int | float) else torch.as_tensor(value, dtype=x.dtype, device=x.device)
