"""`optimizer_like_keras`: fifty steps against the equations, and every option that is not mapped is refused by name.

Against Keras itself the same paths are walked by the cases `training/*`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import weight_mapping.torch as wt
from harness.training.optimizers import DEFAULTS, MISTAKEN, WALKS, Walk, Walker
from weight_mapping.errors import Unsupported

SHAPES = {"kernel": (5, 12), "recurrent": (4, 12), "bias": (12,)}
STEPS = 50


def path(step: Any) -> dict[str, np.ndarray]:
    """The weights after fifty steps down a quartic, whose gradients are neither small nor alike."""
    rng = np.random.default_rng(4)
    start = {name: rng.standard_normal(shape) for name, shape in SHAPES.items()}
    slopes = {name: rng.standard_normal(shape) for name, shape in SHAPES.items()}
    return step(start, lambda w: {name: 0.03 * (a**3 + slopes[name]) for name, a in w.items()})


def by_torch(walk: Walk) -> Any:
    def walked(start: dict[str, np.ndarray], gradient: Any) -> dict[str, np.ndarray]:
        parameters = {name: nn.Parameter(torch.from_numpy(np.array(a))) for name, a in start.items()}
        optimizer = wt.optimizer_like_keras(walk.keras(), parameters.values())
        for _ in range(STEPS):
            found = gradient({name: p.detach().numpy() for name, p in parameters.items()})
            for name, p in parameters.items():
                p.grad = torch.from_numpy(found[name].copy())
            optimizer.step()
        return {name: p.detach().numpy() for name, p in parameters.items()}

    return walked


def by_equations(walk: Walk) -> Any:
    def walked(weights: dict[str, np.ndarray], gradient: Any) -> dict[str, np.ndarray]:
        walker = Walker(walk)
        for _ in range(STEPS):
            weights = walker.step(weights, gradient(weights))
        return weights

    return walked


def apart(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> float:
    return max(float(np.abs(a[name] - b[name]).max()) for name in SHAPES)


@pytest.mark.parametrize("walk", WALKS.values(), ids=WALKS.keys())
def test_fifty_steps_are_those_of_the_equations(walk: Walk) -> None:
    assert apart(path(by_torch(walk)), path(by_equations(walk))) < 1e-13


@pytest.mark.parametrize("name", MISTAKEN)
def test_a_convention_that_is_not_mapped_leads_elsewhere(name: str) -> None:
    walk, otherwise = MISTAKEN[name]
    wrong = replace(WALKS[walk], config={**WALKS[walk].config, **otherwise})
    assert apart(path(by_torch(WALKS[walk])), path(by_equations(wrong))) > 1e-7


@pytest.mark.parametrize("name", ["Adam", "RMSprop", "Adagrad"])
def test_pytorchs_own_of_the_same_name_walks_elsewhere(name: str) -> None:
    """What the mapping is for: the same rate and epsilon, and another path."""
    own = {"Adam": torch.optim.Adam, "RMSprop": torch.optim.RMSprop, "Adagrad": torch.optim.Adagrad}[name]
    walk = Walk(class_name=name, config={"epsilon": 2.0**-10})

    def walked(start: dict[str, np.ndarray], gradient: Any) -> dict[str, np.ndarray]:
        parameters = {n: nn.Parameter(torch.from_numpy(np.array(a))) for n, a in start.items()}
        optimizer = own(parameters.values(), lr=walk.rate, eps=2.0**-10)
        for _ in range(STEPS):
            for n, g in gradient({n: p.detach().numpy() for n, p in parameters.items()}).items():
                parameters[n].grad = torch.from_numpy(g.copy())
            optimizer.step()
        return {n: p.detach().numpy() for n, p in parameters.items()}

    assert apart(path(walked), path(by_equations(walk))) > 1e-4


@pytest.mark.parametrize("package", ["keras", "tf_keras"])
@pytest.mark.parametrize("name", list(DEFAULTS))
def test_a_live_optimizer_is_read_with_its_own_defaults(package: str, name: str) -> None:
    keras = pytest.importorskip(package)
    live = getattr(keras.optimizers, name)()
    config = live.get_config()
    for option, value in DEFAULTS[name].items():
        assert config[option] == value
    made = wt.optimizer_like_keras(live, [nn.Parameter(torch.zeros(1))])
    bare = wt.optimizer_like_keras({"class_name": name, "config": {}}, [nn.Parameter(torch.zeros(1))])
    assert made.defaults == bare.defaults and made.before == bare.before  # type: ignore[attr-defined]
    assert made.defaults["lr"] == float(np.float32(config["learning_rate"]))


@pytest.mark.parametrize(
    ("described", "message"),
    [
        ({"class_name": "Ftrl", "config": {}}, "called Ftrl"),
        ({"class_name": "Adam", "config": {"use_ema": True}}, "use_ema"),
        ({"class_name": "Adam", "config": {"gradient_accumulation_steps": 2}}, "gradient_accumulation_steps"),
        ({"class_name": "Adam", "config": {"loss_scale_factor": 2.0}}, "loss_scale_factor"),
        ({"class_name": "SGD", "config": {"decay": 0.1}}, "decay"),
        ({"class_name": "SGD", "config": {"learning_rate": {"class_name": "CosineDecay"}}}, "schedule"),
        ({"class_name": "SGD", "config": {"is_legacy_optimizer": True}}, "is_legacy_optimizer"),
        ({"class_name": "SGD", "config": 3}, "no mapping"),
        ("adam", "no Keras optimizer"),
    ],
)
def test_what_is_not_mapped_is_refused_by_name(described: Any, message: str) -> None:
    with pytest.raises(Unsupported, match=message):
        wt.optimizer_like_keras(described, [nn.Parameter(torch.zeros(1))])


def test_an_optimizer_goes_on_from_its_state() -> None:
    def made() -> tuple[nn.Parameter, Any]:
        parameter = nn.Parameter(torch.ones(3, dtype=torch.float64))
        return parameter, wt.optimizer_like_keras(WALKS["Adam large epsilon"].keras(), [parameter])

    def step(parameter: nn.Parameter, optimizer: Any) -> None:
        optimizer.zero_grad()
        (parameter**3).sum().backward()
        optimizer.step()

    whole, first = made()
    for _ in range(6):
        step(whole, first)
    half, second = made()
    for _ in range(3):
        step(half, second)
    rest, third = made()
    with torch.no_grad():
        rest.copy_(half)
    third.load_state_dict(second.state_dict())
    for _ in range(3):
        step(rest, third)
    assert torch.equal(whole, rest)


def test_the_closure_gives_the_loss_and_frozen_parameters_stay() -> None:
    moving, frozen = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2), requires_grad=False)
    optimizer = wt.optimizer_like_keras({"class_name": "AdamW", "config": {}}, [moving, frozen])

    def closure() -> Any:
        optimizer.zero_grad()
        loss = (moving * frozen).sum()
        loss.backward()
        return loss

    assert float(optimizer.step(closure).detach()) == 2.0  # type: ignore
    assert (moving < 1).all() and (frozen == 1).all()
