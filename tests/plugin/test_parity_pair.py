"""Pairs that are equal by themselves, training compared, and a failure that says where."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from harness.results import HOLDS, Case
from weight_mapping.errors import PortingError, Unsupported

pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
torch = pytest.importorskip("torch", reason="PyTorch is not installed")

Parity, Make = Callable[..., Case], Callable[..., Any]
KINDS = [
    ("lstm", {"return_sequences": True, "return_state": True}),
    ("lstm", {"recurrent_activation": "hard_sigmoid", "merge": "concat", "return_sequences": True}),
    ("gru", {"reset_after": False, "go_backwards": True}),
    ("gru", {}),
    ("rnn", {"use_bias": False, "activation": "relu", "return_sequences": True}),
]


@pytest.mark.parametrize("library", ["keras", "tf_keras"])
@pytest.mark.parametrize(("kind", "options"), KINDS, ids=["lstm", "both ways", "reset before", "gru", "rnn"])
def test_a_fresh_pair_agrees_in_everything(
    parity: Parity, parity_pair: Make, kind: str, options: dict[str, Any], library: str
) -> None:
    pytest.importorskip(library, reason=f"{library} is not installed")
    pair = parity_pair(kind, library=library, **options)
    before = pair.keras.get_weights()
    case = parity(pair.keras, pair.torch, pair.x, states=pair.states, gradients=True, training=3)
    assert [a.check for a in case.agreements] == ["outputs float32", "gradients float32", "training float32"]
    assert case.verdict == HOLDS
    assert all(np.array_equal(a, b) for a, b in zip(before, pair.keras.get_weights(), strict=True))
    assert all(np.abs(w).min() > 0 for w in before), "a bias of zeros would hide most mistakes"


def test_seeds_make_other_pairs(parity_pair: Make) -> None:
    one, again, other = parity_pair(seed=1), parity_pair(seed=1), parity_pair(seed=2)
    assert np.array_equal(one.x, again.x) and not np.array_equal(one.x, other.x)


def test_a_pair_that_cannot_be_is_refused(parity_pair: Make) -> None:
    with pytest.raises(Unsupported, match="transformer"):
        parity_pair("transformer")
    with pytest.raises(TypeError):
        parity_pair("lstm", return_everything=True)


def twin(pair: Any, *, frozen: bool) -> Any:
    """nn.LSTM with the same weights, its second bias zero."""
    kernel, recurrent, bias = pair.keras.get_weights()
    lstm = torch.nn.LSTM(kernel.shape[0], recurrent.shape[0], batch_first=True)
    arrays = {"weight_ih_l0": kernel.T, "weight_hh_l0": recurrent.T, "bias_ih_l0": bias, "bias_hh_l0": 0 * bias}
    lstm.load_state_dict({name: torch.from_numpy(np.array(a)) for name, a in arrays.items()})
    lstm.bias_hh_l0.requires_grad_(not frozen)
    return lstm


def test_two_biases_that_learn_fail_in_training_alone_and_are_named(parity: Parity, parity_pair: Make) -> None:
    pair = parity_pair(return_sequences=True)
    parity(pair.keras, twin(pair, frozen=True), pair.x, states=pair.states, training=True)
    lstm = twin(pair, frozen=False)
    parity(pair.keras, lstm, pair.x, states=pair.states, gradients=True)
    with pytest.raises(pytest.fail.Exception) as failure:
        parity(pair.keras, lstm, pair.x, states=pair.states, training=True)
    text = str(failure.value)
    assert "training float32: fails" in text and "outputs float32" not in text
    assert "likely    two biases in training: bias_hh_l0" in text


def test_training_needs_a_live_model(parity: Parity, parity_pair: Make) -> None:
    import weight_mapping.torch as wt

    lstm = twin(parity_pair(), frozen=True)
    with pytest.raises(Unsupported, match="a saved model is compared by its outputs"):
        parity(wt.extract(lstm), lstm, parity_pair().x, training=1)
    with pytest.raises(PortingError, match="below zero"):
        parity(wt.extract(lstm), lstm, parity_pair().x, training=-1)


def test_the_cell_the_gate_the_unit_and_the_step_are_named(parity: Parity, parity_pair: Make) -> None:
    keras = pytest.importorskip("keras", reason="Keras 3 is not installed")
    pair = parity_pair(return_sequences=True)
    second = parity_pair(input_size=4, units=6, return_sequences=True, seed=5)
    model = keras.Sequential([keras.layers.Input((None, 5)), pair.keras, keras.layers.Dropout(0.5), second.keras])

    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = twin(pair, frozen=True), twin(second, frozen=True)

        def forward(self, x: Any) -> Any:
            return self.last(self.first(x)[0])[0]

    net = Net()
    parity(model, net, pair.x)
    with torch.no_grad():
        net.last.weight_hh_l0[6 + 2, 3] += 0.5  # the forget gate's block, unit 2, from unit 3
    with pytest.raises(pytest.fail.Exception) as failure:
        parity(model, net, pair.x)
    text = str(failure.value)
    assert f"weights   {second.keras.name} (PyTorch's last): recurrent, gate f, unit 2, previous unit 3" in text
    expected = second.keras.get_weights()[1][3, 6 + 2]
    assert f"{expected + np.float32(0.5):.6g}, expected {expected:.6g}" in text
    assert f"{pair.keras.name} (" not in text, "what is right is not named"
    assert "first     at step 1 of 12" in text, "the first step starts from zeros, where the recurrent kernel is idle"


def test_same_weights_run_otherwise_are_told_apart_from_other_weights(parity: Parity, parity_pair: Make) -> None:
    pair = parity_pair(return_sequences=True, go_backwards=True)
    with pytest.raises(pytest.fail.Exception, match="the weights of all recurrent cells are the same"):
        parity(pair.keras, twin(pair, frozen=True), pair.x)
