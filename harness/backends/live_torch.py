"""A PyTorch module of the user's own, run on arrays as Keras runs its twin."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from harness.diagnosis.located import Place, of_portable
from weight_mapping.torch import BidirectionalLayer, RecurrentLayer, extract, weights

Arrays = Sequence[NDArray[Any]]


def is_module(value: object) -> bool:
    return isinstance(value, nn.Module)


def largest_sum(module: nn.Module) -> int:
    """At most how many products and biases one number of a module's results adds up: over the arrays of each part."""
    own = ([p for p in part.parameters(recurse=False) if p.ndim > 1] for part in module.modules())
    return 2 + max((sum(p.numel() // min(p.shape) for p in arrays) for arrays in own), default=0)


def run(
    module: nn.Module, inputs: Arrays, states: Arrays, cotangents: Arrays | None = None,
    like: Sequence[tuple[int, ...]] | None = None,
) -> tuple[list[NDArray[Any]], list[NDArray[Any] | None]]:  # fmt: skip
    """The outputs in evaluation mode, and with `cotangents` their products' gradients to every float input and state.

    A bare nn.LSTM, nn.GRU or nn.RNN takes and gives what a Keras layer does: batch first, states by cell; with `like`,
    the shapes of Keras' outputs, it leaves out what Keras does not return."""
    kind, device = next(((p.dtype, p.device) for p in _floats(module)), (torch.float32, torch.device("cpu")))
    tensors = [torch.from_numpy(np.array(array)).to(device) for array in (*inputs, *states)]
    tensors = [t.to(kind) if t.is_floating_point() else t for t in tensors]
    leaves = [t.requires_grad_(cotangents is not None) for t in tensors if t.is_floating_point()]
    was_training = module.training
    module.eval()
    try:
        with torch.set_grad_enabled(cotangents is not None):
            outputs = _called(module, tensors[: len(inputs)], tensors[len(inputs) :], like)
            slopes: Sequence[Tensor | None] = ()
            if cotangents is not None and leaves:
                pairs = zip(outputs, cotangents, strict=False)
                loss = torch.stack([(y * torch.from_numpy(d).to(y)).sum() for y, d in pairs]).sum()
                slopes = torch.autograd.grad(loss, leaves, allow_unused=True)
    finally:
        module.train(was_training)
    return [_array(y) for y in outputs], [None if s is None else _array(s) for s in slopes]


def train(
    module: nn.Module, inputs: Arrays, states: Arrays, targets: Arrays, steps: int, rate: float
) -> tuple[NDArray[Any], list[NDArray[Any]]]:  # fmt: skip
    """A copy of the module led down the gradient of the mean squared errors, added up over the outputs: the loss before
    each step, and the outputs at the end. In evaluation mode: dropout has no twin to be compared with."""
    walked = copy.deepcopy(module).eval()
    kind, device = next(((p.dtype, p.device) for p in _floats(walked)), (torch.float32, torch.device("cpu")))
    tensors = [torch.from_numpy(np.array(array)).to(device) for array in (*inputs, *states)]
    tensors = [t.to(kind) if t.is_floating_point() else t for t in tensors]
    goals = [torch.from_numpy(np.array(t)).to(device, kind) for t in targets]
    trained = [p for p in walked.parameters() if p.requires_grad]
    losses = []
    for _ in range(steps):
        outputs = _called(walked, tensors[: len(inputs)], tensors[len(inputs) :], [g.shape for g in goals])
        loss = torch.stack([((y - goal) ** 2).mean() for y, goal in zip(outputs, goals, strict=False)]).sum()
        slopes = torch.autograd.grad(loss, trained, allow_unused=True)
        with torch.no_grad():
            for parameter, slope in zip(trained, slopes, strict=True):
                if slope is not None:
                    parameter -= rate * slope
        losses.append(loss.detach().cpu().numpy())
    with torch.no_grad():
        outputs = _called(walked, tensors[: len(inputs)], tensors[len(inputs) :], [g.shape for g in goals])
    return np.stack(losses), [_array(y) for y in outputs]


def recurrent(module: nn.Module, name: str = "") -> list[Place]:
    """The recurrent cells of a module, in the order in which it holds them: of nn.LSTM, nn.GRU and nn.RNN, and of what
    `weight_mapping.torch` builds. A module with one cell gives it its own name."""
    if isinstance(module, RecurrentLayer | BidirectionalLayer):
        found = [Place(name="/".join(path), weights=w) for path, w in weights(module).items()]
    elif isinstance(module, nn.RNNBase):
        found = of_portable(extract(module)) if not module.proj_size else []
    else:
        inner = ((f"{name}.{part}".lstrip("."), child) for part, child in module.named_children())
        return [place for part, child in inner for place in recurrent(child, part)]
    own = name or type(module).__name__
    return [replace(place, name=own if len(found) == 1 else f"{own}.{place.name}") for place in found]


def second_biases(module: nn.Module) -> list[str]:
    """The second biases that training moves too."""
    return [name for name, p in module.named_parameters() if "bias_hh" in name and p.requires_grad]


def perturbed(
    module: nn.Module, arrays: Arrays, rng: np.random.Generator, delta: float
) -> tuple[nn.Module, list[NDArray[Any]]]:
    """A float64 copy of the module, and the arrays, each number off by the relative amount `delta`, up or down."""

    def factor(shape: Sequence[int]) -> NDArray[np.float64]:
        return 1 + delta * rng.choice([-1.0, 1.0], tuple(shape))

    moved = copy.deepcopy(module).double()
    with torch.no_grad():
        for parameter in _floats(moved):
            parameter.mul_(torch.from_numpy(factor(parameter.shape)).to(parameter.device))
    return moved, [a * factor(a.shape) if a.dtype.kind == "f" else a for a in arrays]


def _floats(module: nn.Module) -> list[nn.Parameter]:
    return [p for p in module.parameters() if p.is_floating_point()]


def _called(module: nn.Module, xs: list[Tensor], states: list[Tensor], like: Any) -> list[Tensor]:
    if isinstance(module, nn.RNNBase):
        return _bare(module, xs[0], states, like)
    if states and "initial_state" in inspect.signature(module.forward).parameters:
        return _flat(module(*xs, initial_state=states))
    return _flat(module(*xs, *states))


def _bare(module: nn.RNNBase, x: Tensor, states: list[Tensor], like: Any) -> list[Tensor]:
    names = 2 if isinstance(module, nn.LSTM) else 1
    given = tuple(torch.stack(states[n::names]) for n in range(names)) if states else None
    x = x if module.batch_first else x.transpose(0, 1)
    y, last = module(x, given if given is None or names == 2 else given[0])
    last = last if names == 2 else (last,)
    if like and len(like[0]) == 2:  # return_sequences=False: the last step of each direction
        y = torch.cat(list(last[0][-2:] if module.bidirectional else last[0][-1:]), -1)
    elif not module.batch_first:
        y = y.transpose(0, 1)
    by_cell = [state[n] for n in range(last[0].shape[0]) for state in last]
    return [y, *by_cell][: len(like) if like else None]


def _flat(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    parts = [value[key] for key in sorted(value)] if isinstance(value, dict) else value
    return [tensor for part in parts for tensor in _flat(part)]


def _array(value: Tensor) -> NDArray[Any]:
    found: NDArray[Any] = value.detach().cpu().numpy()
    return found
