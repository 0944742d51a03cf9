"""Training as Keras trains: one bias moves once, and fresh weights are drawn as Keras draws them."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from portables import CELLS, error, layer_weights, rounding
from torch import nn

import weight_mapping.torch as wt
from weight_mapping.activations import hard_sigmoid
from weight_mapping.errors import Unrepresentable, Unsupported
from weight_mapping.spec import ConvCell, Recurrent

pytestmark = pytest.mark.usefixtures("either_path")
STEPS = 100


def trained(module: Any, optimiser: Any) -> dict[str, torch.Tensor]:
    """The weights after 100 steps towards a fixed target, biases of two parts added up."""
    torch.manual_seed(0)
    x, target = torch.randn(4, 10, 4).double(), torch.rand(4, 5).double()
    moving = optimiser([p for p in module.parameters() if p.requires_grad])
    for _ in range(STEPS):
        moving.zero_grad()
        (module.train()(x)[0] - target).square().mean().backward()
        moving.step()
    found = dict(wt.weights(module)["0",].arrays())
    return {name: torch.tensor(a.sum(0) if name == "bias" else a) for name, a in found.items()}


OPTIMISERS = {"sgd": lambda p: torch.optim.SGD(p, 1.0), "adam": lambda p: torch.optim.Adam(p, 0.01)}


@pytest.mark.parametrize("optimiser", OPTIMISERS)
@pytest.mark.parametrize("name", ["lstm", "rnn"])
def test_a_frozen_second_bias_trains_as_one_bias(name: str, optimiser: str) -> None:
    layer = Recurrent(cells=(CELLS[name],))
    weights = layer_weights(layer, 4)
    one, frozen, two = (
        trained(wt.build_layer(layer, weights, dtype=torch.float64, **options), OPTIMISERS[optimiser])
        for options in ({"prefer_native": False}, {}, {"trainable_second_bias": True})
    )
    # Rounding grows over 100 steps; a second moving bias is off by 1e-2 and more.
    assert max(float((one[n] - frozen[n]).abs().max()) for n in one) < 1e-9
    assert float((one["bias"] - two["bias"]).abs().max()) > 1e-3


def test_only_a_second_bias_of_ours_is_frozen() -> None:
    def flags(name: str, **options: bool) -> dict[str, bool]:
        layer = Recurrent(cells=(CELLS[name],))
        module = wt.build_layer(layer, layer_weights(layer, 4), **options)
        return {n.removeprefix("cells.0."): p.requires_grad for n, p in module.named_parameters()}

    assert flags("lstm")["bias_hh_l0"] is False and flags("lstm")["bias_ih_l0"] is True
    assert flags("lstm", trainable_second_bias=True)["bias_hh_l0"] is True
    assert flags("lstm split")["bias_hh_l0"] is True and flags("gru")["bias_hh_l0"] is True
    assert "bias_hh_l0" not in flags("lstm no bias")


def test_gradients_of_a_second_trainable_bias_are_told_apart() -> None:
    layer = Recurrent(cells=(CELLS["lstm"],))
    module = wt.build_layer(layer, layer_weights(layer, 4), trainable_second_bias=True)
    module(torch.randn(2, 5, 4, dtype=torch.float64))[0].sum().backward()
    bias = wt.gradients(module)["0",].bias
    assert bias is not None and bias.shape == (2, 4, 5)
    assert error(bias[0], bias[1]) < rounding(4, 5)


def conv_lstm() -> nn.Module:
    cell = ConvCell(
        rank=2, units=3, kernel_size=(3, 2), strides=(1, 1), padding="same", dilation=(1, 1),
        recurrent_activation=hard_sigmoid(1 / 5),
    )  # fmt: skip
    layer = Recurrent(cells=(cell,))
    return wt.build_layer(layer, layer_weights(layer, 2))


def ours(name: str) -> nn.Module:
    layer = Recurrent(cells=(CELLS[name],))
    return wt.build_layer(layer, layer_weights(layer, 7), prefer_native=False)


FRESH = {
    "nn.LSTM": lambda: nn.LSTM(7, 5),
    "nn.LSTM deep": lambda: nn.LSTM(7, 5, 2, bidirectional=True),
    "nn.GRU": lambda: nn.GRU(7, 5),
    "nn.RNN": lambda: nn.RNN(7, 5),
    "nn.RNN without bias": lambda: nn.RNN(7, 5, bias=False),
    "KerasLSTM": lambda: ours("lstm"),
    "KerasGRU": lambda: ours("gru before"),
    "KerasRNN": lambda: ours("rnn"),
    "KerasConvLSTM": conv_lstm,
}


@pytest.mark.parametrize("name", FRESH)
def test_fresh_weights_have_keras_exact_properties(name: str) -> None:
    module = wt.init_like_keras_(FRESH[name](), torch.Generator().manual_seed(1))
    lstm = "LSTM" in name
    for label, p in module.named_parameters():
        short = label.split(".")[-1]
        if short.startswith("weight_ih"):
            window = math.prod(p.shape[2:])
            limit = math.sqrt(6 / (window * (p.shape[0] + p.shape[1])))
            assert float(p.detach().abs().max()) <= limit
            assert float(p.detach().abs().max()) > 0.8 * limit
        elif short.startswith("weight_hh"):
            # Keras' matrix is (window units, gates units): the fewer of its rows and columns are orthonormal.
            whole = (
                p.detach().flatten(1).double() if p.ndim == 2 else p.detach().permute(0, 2, 3, 1).flatten(1).double()
            )
            square = whole @ whole.T if whole.shape[0] <= whole.shape[1] else whole.T @ whole
            assert float((square - torch.eye(len(square)).double()).abs().max()) < 1e-6
        else:
            gates = p.detach().reshape(4 if lstm else 3 if "GRU" in name else 1, -1)
            second = short.startswith("bias_hh")
            expected = torch.zeros_like(gates)
            if lstm and not second:
                expected[1] = 1
            assert torch.equal(gates, expected)
            assert p.requires_grad is not (second and "GRU" not in name)


def test_fresh_kernels_are_uniform_and_repeatable() -> None:
    draws = [wt.init_like_keras_(nn.LSTM(100, 100), torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    one, same, other = (m.weight_ih_l0.detach() for m in draws)
    assert torch.equal(one, same) and not torch.equal(one, other)
    limit, count = math.sqrt(6 / 500), one.numel()
    # Mean and variance of a uniform draw, five standard errors wide.
    assert abs(float(one.mean())) < 5 * limit / math.sqrt(3 * count)
    assert abs(float(one.var()) / (limit**2 / 3) - 1) < 5 * math.sqrt(0.8 / count)


def test_refusals() -> None:
    with pytest.raises(Unrepresentable, match="proj_size"):
        wt.init_like_keras_(nn.LSTM(4, 5, proj_size=2))
    with pytest.raises(Unsupported, match="no recurrent cell"):
        wt.init_like_keras_(nn.Linear(4, 5))
