"""The fixture `parity` passes what agrees, fails what doesn't, and says all that its user needs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness import parity as comparing
from harness.results import HOLDS, Case
from weight_mapping.errors import PortingError, Unsupported

keras = pytest.importorskip("keras", reason="Keras 3 is not installed")
tf_keras = pytest.importorskip("tf_keras", reason="tf_keras is not installed")
torch = pytest.importorskip("torch", reason="PyTorch is not installed")

BATCH, TIME, INPUTS, U = 3, 12, 5, 4
Parity = Callable[..., Case]


@pytest.fixture(params=[keras, tf_keras], ids=["keras 3", "tf_keras"])
def library(request: pytest.FixtureRequest) -> Any:
    return request.param


def layer(library: Any, **options: Any) -> Any:
    """A built LSTM with random biases: zeros would hide most mistakes."""
    rng = np.random.default_rng(3)
    built = library.layers.LSTM(U, **options)
    built.build((None, None, INPUTS))
    built.set_weights([rng.normal(0, 0.5, w.shape).astype(np.float32) for w in built.get_weights()])
    return built


def twin(built: Any, **options: Any) -> Any:
    """The nn.LSTM of a Keras LSTM, by hand: transposed kernels, one bias zero."""
    kernel, recurrent, bias = built.get_weights()
    lstm = torch.nn.LSTM(INPUTS, U, **options)
    arrays = {"weight_ih_l0": kernel.T, "weight_hh_l0": recurrent.T, "bias_ih_l0": bias, "bias_hh_l0": 0 * bias}
    lstm.load_state_dict({name: torch.from_numpy(np.array(a)) for name, a in arrays.items()})
    return lstm


def x(*, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((BATCH, TIME, INPUTS)).astype(np.float32)


def states(seed: int = 1) -> list[np.ndarray]:
    return list(np.random.default_rng(seed).standard_normal((2, BATCH, U)).astype(np.float32))


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("sequences", [True, False], ids=["sequences", "last"])
def test_a_right_port_holds(parity: Parity, library: Any, sequences: bool, batch_first: bool) -> None:
    built = layer(library, return_sequences=sequences, return_state=True)
    case = parity(built, twin(built, batch_first=batch_first), x(), states=states(), gradients=True)
    assert case.verdict == HOLDS
    assert [a.check for a in case.agreements] == ["outputs float32", "gradients float32"]
    assert all(a.margin is not None and a.margin > 1 for a in case.agreements)


def test_a_whole_model_holds_and_its_mode_is_left_alone(parity: Parity) -> None:
    built = layer(keras, return_sequences=True)
    others = [keras.layers.Dropout(0.5), keras.layers.Dense(2)]
    model = keras.Sequential([keras.layers.Input((None, INPUTS)), built, *others])

    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm, self.dropout, self.dense = (
                twin(built, batch_first=True),
                torch.nn.Dropout(0.5),
                torch.nn.Linear(U, 2),
            )
            kernel, bias = model.layers[-1].get_weights()
            self.dense.load_state_dict({"weight": torch.from_numpy(kernel.T.copy()), "bias": torch.from_numpy(bias)})

        def forward(self, x: Any) -> Any:
            return self.dense(self.dropout(self.lstm(x)[0]))

    net = Net().train()
    before = {name: p.clone() for name, p in net.named_parameters()}
    given = x()
    parity(model, net, given, gradients=True)
    assert net.training
    assert all(torch.equal(p, before[name]) for name, p in net.named_parameters())
    assert np.array_equal(given, x())


def test_a_portable_is_held_to_the_oracle_without_keras(parity: Parity) -> None:
    import weight_mapping.torch as wt

    lstm = twin(layer(keras), batch_first=True)
    case = parity(wt.extract(lstm), lstm, x())
    assert "oracle" in case.spec["keras"]


def _swap(lstm: Any) -> None:
    """Input and forget gate in each other's place, everywhere."""
    order = torch.tensor([*range(U, 2 * U), *range(U), *range(2 * U, 4 * U)])
    with torch.no_grad():
        for parameter in lstm.parameters():
            parameter.copy_(parameter[order])


def _nan(lstm: Any) -> None:
    with torch.no_grad():
        lstm.bias_ih_l0[-1] = float("nan")


def _transpose(lstm: Any) -> None:
    with torch.no_grad():
        blocks = lstm.weight_hh_l0.view(4, U, U)
        lstm.weight_hh_l0.copy_(blocks.transpose(1, 2).reshape(4 * U, U))


def _double(lstm: Any) -> None:
    with torch.no_grad():
        lstm.bias_hh_l0.copy_(lstm.bias_ih_l0)


def _forget(lstm: Any) -> None:
    with torch.no_grad():
        lstm.bias_ih_l0[U : 2 * U] += 1


def _barely(lstm: Any) -> None:
    """A hundred roundings of one weight: no convention, and yet not the same model."""
    with torch.no_grad():
        lstm.weight_hh_l0 *= 1 + 1e-3


NAMED = {
    _swap: "gates i and f",
    _transpose: "recurrent kernel transposed",
    _double: "bias doubled",
    _forget: "forget bias",
}


@pytest.mark.parametrize("mistake", [_swap, _nan, _transpose, _double, _forget, _barely], ids=lambda f: f.__name__[1:])
def test_a_wrong_port_fails_with_everything_said(parity: Parity, library: Any, mistake: Callable[[Any], None]) -> None:
    built = layer(library, return_sequences=True)
    lstm = twin(built, batch_first=True)
    mistake(lstm)
    with pytest.raises(pytest.fail.Exception) as failure:
        parity(built, lstm, x(), states=states(), gradients=True)
    text = str(failure.value)
    for part in (
        "outputs float32: fails",
        "gradients float32: fails",
        "where     output 0",
        "batch ",
        "step ",
        "unit ",
    ):
        assert part in text
    assert "bound" in text and "2^-24" in text and "repeat    pytest" in text
    if mistake in NAMED:
        assert NAMED[mistake] in text.partition("likely    ")[2]


def test_both_numbers_are_those_of_the_place_that_is_named() -> None:
    built = layer(keras, return_sequences=True)
    lstm = twin(built, batch_first=True)
    _swap(lstm)
    found = comparing.compare(built, lstm, x(), id="a", repeat="pytest a")
    ours, theirs = lstm(torch.from_numpy(x()))[0].detach().numpy(), built(x()).numpy()
    at = np.unravel_index(np.abs(ours - theirs).argmax(), ours.shape)
    text = comparing.message(found)
    assert "batch {}, step {}, unit {}".format(*at) in text
    assert f"expected  {float(theirs[at])!r}" in text
    assert f"actual    {float(ours[at])!r}" in text


@pytest.mark.parametrize("apart", [0.5, 2.0], ids=["within", "beyond"])
def test_a_tolerance_of_one_s_own_replaces_the_bound(parity: Parity, apart: float) -> None:
    built = layer(keras)
    lstm = twin(built, batch_first=True)
    _swap(lstm)
    ours, theirs = lstm(torch.from_numpy(x()))[0][:, -1].detach().numpy(), built(x()).numpy()
    tolerance = float(np.abs(ours - theirs).max() / np.abs(theirs).max()) / apart
    if apart < 1:
        assert parity(built, lstm, x(), tolerance=tolerance).agreements[0].reason == "the tolerance that the test gives"
    else:
        with pytest.raises(pytest.fail.Exception, match="the tolerance that the test gives"):
            parity(built, lstm, x(), tolerance=tolerance)


def test_other_shapes_and_missing_outputs_fail(parity: Parity) -> None:
    built = layer(keras, return_sequences=True, return_state=True)
    lstm = twin(built, batch_first=True)

    class Only(torch.nn.Module):
        def __init__(self, cut: int) -> None:
            super().__init__()
            self.lstm, self.cut = lstm, cut

        def forward(self, x: Any) -> Any:
            return self.lstm(x)[0][:, self.cut :]

    with pytest.raises(pytest.fail.Exception, match="output 1: missing"):
        parity(built, Only(0), x())
    with pytest.raises(pytest.fail.Exception, match=rf"shape \(3, 11, {U}\), expected \(3, 12, {U}\)"):
        parity(layer(keras, return_sequences=True), Only(1), x())


def test_a_chaotic_pair_is_neither_passed_nor_failed(parity: Parity) -> None:
    built = layer(keras, return_sequences=True)
    built.set_weights([w * f for w, f in zip(built.get_weights(), (1, 200, 1), strict=True)])
    long = np.random.default_rng(0).standard_normal((2, 400, INPUTS)).astype(np.float32)
    with pytest.raises(pytest.skip.Exception, match="chaotic"):
        parity(built, twin(built, batch_first=True), long)


def test_what_it_cannot_compare_is_an_error(parity: Parity, tmp_path: Path) -> None:
    lstm = torch.nn.LSTM(INPUTS, U, batch_first=True)
    with pytest.raises(PortingError, match="the Keras side is a int"):
        parity(3, lstm, x())
    with pytest.raises(Unsupported, match=r"no nn\.Module"):
        parity(layer(keras), lambda x: x, x())
    with pytest.raises(Unsupported, match="a saved model is compared by its outputs"):
        parity(str(tmp_path / "model.h5"), lstm, x(), gradients=True)
