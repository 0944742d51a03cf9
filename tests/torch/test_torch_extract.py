"""The way back from PyTorch: bit for bit where the module is ours, as a chain of Keras layers where it isn't."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from plain_cases import CASES
from portables import CELLS, error, layer_weights, plain_weights, rounding
from torch import nn
from whole_models import alone, encoder_decoder, tagger

import weight_mapping.torch as wt
from weight_mapping import oracle
from weight_mapping.activations import hard_sigmoid
from weight_mapping.errors import PortingError, Unrepresentable, Unsupported
from weight_mapping.spec import Bidirectional, Cell, ConvCell, Recurrent
from weight_mapping.weights import CellWeights, Portable


def same_bits(a: Portable, b: Portable) -> bool:
    return a.fingerprints() == b.fingerprints()


def same_state(a: nn.Module, b: nn.Module) -> bool:
    one, two = a.state_dict(), b.state_dict()
    return list(one) == list(two) and all(torch.equal(one[name], two[name]) for name in one)


def round_trip(portable: Portable, **options: Any) -> None:
    module = wt.build(portable, **options)
    back = wt.extract(module)
    assert same_bits(back, portable)
    assert same_state(wt.build(back), module)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", CELLS)
def test_every_cell_comes_back_bit_for_bit(name: str, dtype: Any) -> None:
    layer = Recurrent(cells=(CELLS[name],), return_state=True)
    both = Bidirectional(forward=layer, backward=replace(layer, go_backwards=True), merge="sum")
    for each in (layer, both):
        found = layer_weights(each, 4)
        cast = {p: replace(w, **{n: a.astype(dtype) for n, a in w.arrays()}) for p, w in found.items()}
        round_trip(alone(each, cast))
        module = wt.build_layer(each, cast)
        assert all(a.tobytes() == b.tobytes() for p, w in wt.weights(module).items()
                   for (_, a), (_, b) in zip(w.arrays(), cast[p].arrays(), strict=True))  # fmt: skip
        assert same_bits(wt.extract(module), wt.extract(wt.build_layer(each, cast, prefer_native=False)))


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_conv_lstm_comes_back_bit_for_bit(rank: int) -> None:
    cell = ConvCell(
        rank=rank, units=3, kernel_size=(3, 2, 4)[:rank], strides=(1,) * rank, padding="same", dilation=(1,) * rank,
        recurrent_activation=hard_sigmoid(1 / 5), bias="single" if rank > 1 else "none",
    )  # fmt: skip
    layer = Recurrent(cells=(cell,))
    round_trip(alone(layer, layer_weights(layer, 2)))


@pytest.mark.parametrize("name", CASES)
def test_every_plain_kind_comes_back_bit_for_bit(name: str) -> None:
    case = CASES[name]
    weights = plain_weights(case.layer, case.sizes)
    round_trip(alone(case.layer, {(): weights} if weights else {}))


def test_whole_models_come_back_bit_for_bit() -> None:
    for portable in (tagger(), encoder_decoder()):
        round_trip(portable)
        back = wt.extract(wt.build(portable))
        assert back.spec.nodes == portable.spec.nodes and list(back.spec.layers) == list(portable.spec.layers)
        assert wt.extract(wt.build(back)).spec == back.spec  # the first way fills in the input sizes


def test_a_second_bias_that_lives_is_not_lost() -> None:
    layer = Recurrent(cells=(CELLS["lstm"],))
    module = wt.build(alone(layer, layer_weights(layer, 4)), trainable_second_bias=True)
    with torch.no_grad():
        module.get_parameter("layers.layer.cells.0.bias_hh_l0").add_(0.25)
    back = wt.extract(module)
    found, cell = back.weights["layer", "0"], back.spec.layers["layer"].cells[0]  # type: ignore[union-attr]
    assert isinstance(found, CellWeights) and found.bias_form == cell.bias == "split"
    assert same_state(wt.build(back), module)
    x = torch.randn(2, 5, 4, dtype=torch.float64)
    assert error(module(x).detach(), oracle.run(back, x.numpy())) < rounding(4, 5)


KINDS: dict[str, Any] = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}


@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
@pytest.mark.parametrize("two_ways", [True, False], ids=["both ways", "one way"])
@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_a_bare_module_becomes_a_chain(kind: str, depth: int, two_ways: bool, bias: bool) -> None:
    torch.manual_seed(3)
    module = KINDS[kind](4, 5, depth, bias=bias, bidirectional=two_ways, batch_first=True).double()
    x = torch.randn(3, 10, 4, dtype=torch.float64)
    portable = wt.extract(module)
    assert len(portable.spec.layers) == depth
    expected = module(x)[0].detach()
    assert error(oracle.run(portable, x.numpy()), expected) < depth * rounding(10, 5)
    assert error(wt.build(portable)(x).detach(), expected) < depth * rounding(10, 5)
    assert same_bits(wt.extract(module.state_dict()), portable)
    whole = nn.ModuleDict({"encoder": module, "head": nn.Linear(5, 2)})
    assert same_bits(wt.extract(whole.state_dict(), prefix="encoder."), portable)


def test_time_first_relu_and_dropout_between_layers() -> None:
    module = nn.RNN(4, 5, 2, nonlinearity="relu", dropout=0.3).double().eval()
    portable = wt.extract(module)
    assert list(portable.spec.layers) == ["rnn", "dropout_0", "rnn_1"]
    assert portable.spec.layers["dropout_0"].options["rate"] == 0.3  # type: ignore[union-attr]
    x = torch.randn(10, 3, 4, dtype=torch.float64)
    assert error(wt.build(portable)(x).detach(), module(x)[0].detach()) < 2 * rounding(5, 5)
    assert error(oracle.run(portable, x.numpy()), module(x)[0].detach()) < 2 * rounding(5, 5)


def test_a_frozen_second_bias_means_one_bias() -> None:
    module = wt.init_like_keras_(nn.LSTM(4, 5))
    found = wt.extract(module).weights["lstm", "0"]
    assert isinstance(found, CellWeights) and found.bias_form == "single"
    fresh = wt.extract(nn.LSTM(4, 5)).weights["lstm", "0"]
    assert isinstance(fresh, CellWeights) and fresh.bias_form == "split"


def test_what_a_state_dict_does_not_say_is_said() -> None:
    sentences = wt.extract(nn.RNN(4, 5).state_dict()).source.resolved
    assert any("tanh" in s for s in sentences) and any("batch_first" in s for s in sentences)
    assert not any("tanh" in s for s in wt.extract(nn.LSTM(4, 5).state_dict()).source.resolved)


def test_refusals_name_the_reason() -> None:
    projected = nn.LSTM(4, 5, proj_size=3)
    for source in (projected, projected.state_dict()):
        with pytest.raises(Unrepresentable, match="proj_size"):
            wt.extract(source)
    with pytest.raises(Unsupported, match="Linear"):
        wt.extract(nn.Linear(2, 3))
    with pytest.raises(Unsupported, match="extract the layer that holds it"):
        layer = Recurrent(cells=(Cell(kind="gru", units=5),))
        wt.extract(wt.build_layer(layer, layer_weights(layer, 4)).cells[0])
    whole = nn.ModuleDict({"lstm": nn.LSTM(4, 5), "gru": nn.GRU(4, 5)})
    with pytest.raises(PortingError, match=r"Pass prefix=, one of \['gru.', 'lstm.'\]"):
        wt.extract(whole.state_dict())
    with pytest.raises(PortingError, match="tells no cell"):
        wt.extract({"weight_ih_l0": torch.zeros(10, 4), "weight_hh_l0": torch.zeros(10, 5)})
    lacking = {name: p for name, p in nn.LSTM(4, 5, 2).state_dict().items() if not name.endswith("l0")}
    with pytest.raises(PortingError, match="tells no cell"):
        wt.extract(lacking)
    lacking = {name: p for name, p in nn.LSTM(4, 5, 3).state_dict().items() if not name.endswith("l1")}
    with pytest.raises(PortingError, match="layers or directions are missing"):
        wt.extract(lacking)
