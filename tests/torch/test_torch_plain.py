"""The layers around the recurrent ones: each kind against the oracle, and what each does in training."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from plain_cases import CASES, PlainCase
from portables import error, plain_weights

from weight_mapping.activations import activation
from weight_mapping.errors import Unsupported, WeightsMismatch
from weight_mapping.oracle.plain import FUNCTIONS as ORACLE
from weight_mapping.plain import KINDS, plain
from weight_mapping.torch.plain import FUNCTIONS, PlainLayer

BOUND = 1e3 * 2.0**-53
"""No sum here has more than a hundred terms; the scale is the greatest output."""


def inputs_of(case: PlainCase) -> tuple[list[Any], list[Any]]:
    rng = np.random.default_rng(4)
    if case.layer.kind == "embedding":
        return [rng.integers(0, 9, case.shapes[0]).astype(float)], [None]
    x = [rng.normal(size=shape) for shape in case.shapes]
    if case.layer.kind == "masking":
        x[0][1, 2:4] = -1.0
    masks = [rng.random(shape[:2]) < 0.6 for shape in case.shapes] if case.masks else [None] * len(x)
    for mask in masks:
        if mask is not None:
            mask[:, 0] = True
    return x, masks


def test_the_three_tables_hold_the_same_kinds() -> None:
    assert set(FUNCTIONS) == set(KINDS) == set(ORACLE) == {case.layer.kind for case in CASES.values()}


@pytest.mark.parametrize("name", CASES)
def test_every_kind_agrees_with_the_oracle(name: str) -> None:
    case = CASES[name]
    weights = plain_weights(case.layer, case.sizes)
    x, masks = inputs_of(case)
    module = PlainLayer(case.layer, weights, torch.float64).eval()
    y = module([torch.tensor(v) for v in x], [None if m is None else torch.tensor(m) for m in masks])
    assert error(y.detach(), ORACLE[case.layer.kind](case.layer.options, weights, x, masks)) < BOUND


@pytest.mark.parametrize("kind", sorted(kind for kind, row in KINDS.items() if row.training_only))
def test_noise_in_training_keeps_the_mean(kind: str) -> None:
    case = CASES[kind]
    module = PlainLayer(case.layer, {})
    x = torch.ones(2, 3, 4) if kind == "alpha_dropout" else torch.randn(2, 3, 4)
    assert module.eval()([x]) is x
    module.train()
    draws = torch.stack([module([x]) for _ in range(4000)])
    spread = draws.std(0) / 4000**0.5
    if kind == "alpha_dropout":  # of a standard normal input it keeps mean and variance, of one value neither
        many = module([torch.randn(400_000)])
        assert abs(float(many.mean())) < 0.01 and abs(float(many.var()) - 1) < 0.02
    else:
        assert ((draws.mean(0) - x).abs() < 5 * spread).all()
    assert draws.std(0).min() > 0.01


def test_dropout_shares_a_draw_along_an_axis_of_one() -> None:
    x = torch.ones(8, 50, 6)
    for layer in (plain("dropout", rate=0.5, noise_shape=(None, 1, None)), plain("spatial_dropout", rank=1)):
        y = PlainLayer(layer, {}).train()([x])
        assert (y == y[:, :1]).all() and set(y.unique().tolist()) == {0.0, 2.0}
    y = PlainLayer(plain("spatial_dropout", rank=2, channels_first=True), {}).train()([torch.ones(4, 9, 5, 5)])
    assert (y == y[:, :, :1, :1]).all() and len(y.unique()) == 2


@pytest.mark.parametrize("masked", [True, False])
def test_batch_normalization_in_training(masked: bool) -> None:
    """Keras' momentum and the biased variance; only the steps that count."""
    layer = plain("batch_normalization", momentum=0.9, epsilon=1e-2)
    weights = plain_weights(layer, {"c": 4})
    module = PlainLayer(layer, weights, torch.float64).train()
    rng = np.random.default_rng(0)
    x, mask = rng.normal(2, 3, (3, 6, 4)), rng.random((3, 6)) < 0.5
    counted = x[mask] if masked else x.reshape(-1, 4)
    y = module([torch.tensor(x)], [torch.tensor(mask) if masked else None])
    expected = (x - counted.mean(0)) / np.sqrt(counted.var(0) + 1e-2) * weights["gamma"] + weights["beta"]
    slack = 1e-6 if masked else BOUND  # Keras adds 1e-7 to the number of steps that count
    assert error(y.detach(), expected) < slack
    assert error(module.moving_mean, 0.9 * weights["moving_mean"] + 0.1 * counted.mean(0)) < slack
    assert error(module.moving_variance, 0.9 * weights["moving_variance"] + 0.1 * counted.var(0)) < slack
    assert {name for name, _ in module.named_parameters()} == {"gamma", "beta"}


def test_relu_has_no_gradient_at_zero() -> None:
    x = torch.zeros(2, 3, requires_grad=True)
    PlainLayer(plain("activation", activation=activation("relu")), {})([x]).sum().backward()
    assert x.grad is not None and not x.grad.any()


def test_refusals() -> None:
    with pytest.raises(WeightsMismatch, match="dense has other weights"):
        PlainLayer(plain("dense"), {"kernel": np.zeros((1, 1))})
    with pytest.raises(Unsupported, match="smaller"):
        PlainLayer(plain("center_crop", size=(3, 3)), {})([torch.zeros(1, 2, 2, 1)])
