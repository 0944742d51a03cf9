"""Whole models as PyTorch modules: the graph, names, dtypes, states, custom layers, refusals."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from portables import error, layer_weights, plain_weights, rounding
from torch import nn
from whole_models import IDS, LSTM, alone, at, encoder_decoder, tagger

import weight_mapping.torch as wt
from weight_mapping import oracle
from weight_mapping.activations import activation
from weight_mapping.errors import PortingError, Unsupported, WeightsMismatch
from weight_mapping.plain import plain
from weight_mapping.spec import (
    Custom,
    Input,
    TimeDistributed,
    chain,
)
from weight_mapping.torch.model import module_name
from weight_mapping.weights import Portable


@pytest.mark.parametrize("cast", [torch.int64, torch.int32, torch.float32, torch.float64])
def test_a_tagger_agrees_with_the_oracle(cast: torch.dtype) -> None:
    portable = tagger()
    y = wt.build(portable)(torch.tensor(IDS).to(cast))
    assert error(y.detach(), oracle.run(portable, IDS)) < rounding(4, 10)


def test_several_inputs_and_outputs() -> None:
    portable, rng = encoder_decoder(), np.random.default_rng(2)
    x, z = rng.normal(size=(3, 8, 4)), rng.normal(size=(3, 5, 6))
    y = wt.build(portable)(torch.tensor(x), torch.tensor(z))
    expected = oracle.run(portable, x, z)
    assert isinstance(y, tuple) and len(y) == len(expected) == 2
    assert max(error(a.detach(), b) for a, b in zip(y, expected, strict=True)) < rounding(6, 5)
    with pytest.raises(PortingError, match="takes 2 inputs"):
        wt.build(portable)(torch.tensor(x))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_model_without_weights_computes_in_the_dtype_that_it_was_built_for(dtype: torch.dtype) -> None:
    spec = chain("m", Input(name="x", shape=(None, 4)), {"a": plain("activation", activation=activation("tanh"))})
    module = wt.build(Portable(spec=spec, weights={}), dtype=dtype)
    assert module.dtype == module(torch.ones(2, 4)).dtype == dtype


@pytest.mark.parametrize("batch", [1, 3])
def test_float32_and_the_way_inputs_are_cast(batch: int) -> None:
    portable = tagger()
    module = wt.build(portable, dtype=torch.float32)
    assert module.dtype == torch.float32 and all(p.dtype == torch.float32 for p in module.parameters())
    y = module(torch.tensor(IDS[:batch]))
    assert y.dtype == torch.float32
    assert error(y.detach(), oracle.run(portable, IDS[:batch])) < rounding(4, 10, 2.0**-24)
    x = np.random.default_rng(2).normal(size=(batch, 8, 4)), np.random.default_rng(3).normal(size=(batch, 5, 6))
    pair = wt.build(encoder_decoder(), dtype=torch.float32)(*(torch.tensor(v) for v in x))
    assert {y.dtype for y in pair} == {torch.float32}


def test_the_dtype_of_the_weights_is_kept() -> None:
    dense = plain("dense", units=3)
    for kind in (np.float32, np.float64, np.dtype(">f4")):
        weights = {name: a.astype(kind) for name, a in plain_weights(dense, {"i": 4}).items()}
        module = wt.build(alone(dense, {(): weights}))
        assert module.dtype == (torch.float64 if kind == np.float64 else torch.float32)
        assert np.array_equal(module.get_parameter("layers.layer.kernel").detach().numpy(), weights["kernel"])


def test_a_build_leaves_the_arrays_and_the_random_numbers_alone() -> None:
    portable = tagger()
    before, state = portable.fingerprints(), torch.random.get_rng_state()
    module = wt.build(portable)
    with torch.no_grad():
        for p in module.parameters():
            p.add_(1)
    assert portable.fingerprints() == before
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize(
    "name", ["", "a.b", "%", "keys", "training", "a%2Eb", "pop", "é/ x", "_modules", "%6Beys", "forward"]
)
def test_names_that_pytorch_refuses_are_written_otherwise_and_read_back(name: str) -> None:
    assert wt.layer_name(module_name(name)) == name
    container = nn.ModuleDict({module_name(name): nn.Identity()})
    assert isinstance(container[module_name(name)], nn.Identity) and callable(container.keys)


def test_the_module_knows_what_it_is_and_predicts() -> None:
    portable = tagger()
    module = wt.build(portable)
    assert module.spec is portable.spec and module.source is portable.source and not module.training
    x = torch.tensor(IDS)
    assert torch.equal(module(x), module(x))
    module.train()
    assert not torch.equal(module(x), module(x))  # the dropout layer acts


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda module: pickle.loads(pickle.dumps(module))])
def test_a_module_can_be_copied_and_pickled(copied: Any) -> None:
    module, x = wt.build(tagger()), torch.tensor(IDS)
    other = copied(module)
    assert torch.equal(other(x), module(x)) and other.spec == module.spec
    with torch.no_grad():
        next(other.parameters()).add_(1)
    assert not torch.equal(other(x), module(x))


def test_reset_states_reaches_every_layer() -> None:
    layer = replace(LSTM, stateful=True)
    module = wt.build(alone(TimeDistributed(layer=layer), at(("layer",), layer_weights(layer, 4))))
    x = torch.randn(2, 3, 5, 4)
    first, second = module(x), module(x)
    module.reset_states()
    assert not torch.allclose(first, second) and torch.equal(module(x), first)


def test_a_nested_model_on_every_step() -> None:
    inner = chain(
        "inner", Input(name="x"), {"lstm": replace(LSTM, return_sequences=False), "dense": plain("dense", units=2)}
    )
    weights = {
        **at(("layer", "lstm"), layer_weights(LSTM, 4)),
        ("layer", "dense"): plain_weights(plain("dense", units=2), {"i": 5}),
    }
    portable = alone(TimeDistributed(layer=inner), weights)
    x = np.random.default_rng(0).normal(size=(2, 3, 6, 4))
    assert error(wt.build(portable)(torch.tensor(x)).detach(), oracle.run(portable, x)) < rounding(4, 5)


class Doubling(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 2 * x


def test_a_layer_of_its_authors_own() -> None:
    portable = alone(Custom(class_name="Doubling"), {(): {"w": np.ones(2)}})
    with pytest.raises(Unsupported, match=r"Doubling.*custom=.*--layers-only") as refused:
        wt.build(portable)
    assert refused.value.class_name == "Doubling" and refused.value.where == "layer"
    for key in ("Doubling", "layer"):
        module = wt.build(portable, custom={key: Doubling()})
        assert torch.equal(module(torch.ones(2, 3)), torch.full((2, 3), 2.0))
    assert wt.extract(module).fingerprints() == portable.fingerprints()


def test_missing_weights_are_named() -> None:
    portable = tagger()
    lacking = {path: w for path, w in portable.weights.items() if path != ("a.b", "backward", "0")}
    with pytest.raises(WeightsMismatch, match=r"a\.b/backward/0"):
        wt.build(Portable(spec=portable.spec, weights=lacking))
    lacking = {path: w for path, w in portable.weights.items() if path != ("",)}
    with pytest.raises(WeightsMismatch, match="embedding has other weights"):
        wt.build(Portable(spec=portable.spec, weights=lacking))
