"""Keras' numbers in a module that its user wrote: the module then computes what Keras does, or nothing was written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import weight_mapping as wm
import weight_mapping.torch as wt
from weight_mapping.errors import PortingError, Unrepresentable, WeightsMismatch
from weight_mapping.oracle import run

pytestmark = pytest.mark.filterwarnings("ignore")
# float32 sums of at most 60 terms of values of about 1, four layers deep, as Keras and PyTorch round them.
BOUND = 1e-5


class Text(nn.Module):
    """Embedding, a Bidirectional LSTM, a GRU, Dense."""

    def __init__(self, units: int = 3) -> None:
        super().__init__()
        self.words = nn.Embedding(11, 4)
        self.both = nn.LSTM(4, units, batch_first=True, bidirectional=True)
        self.gru = nn.GRU(2 * units, 5, batch_first=True)
        self.out = nn.Linear(5, 2)

    def forward(self, ids: Tensor) -> Tensor:
        y, _ = self.gru(self.both(self.words(ids))[0])
        return self.out(y[:, -1]).softmax(-1)


class Series(nn.Module):
    """A convolution, normalised, two LSTMs in one module, a plain RNN's cell, Dense."""

    def __init__(self, eps: float = 1e-3) -> None:
        super().__init__()
        self.conv = nn.Conv1d(5, 6, 3)
        self.norm = nn.BatchNorm1d(6, eps=eps)
        self.lstm = nn.LSTM(6, 4, num_layers=2, batch_first=True)
        self.cell = nn.RNNCell(4, 3)
        self.scale = nn.LayerNorm(3, eps=1e-3)
        self.out = nn.Linear(3, 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y, _ = self.lstm(self.norm(self.conv(x.transpose(1, 2)).relu()).transpose(1, 2))
        h = y.new_zeros(len(y), 3)
        for step in y.unbind(1):
            h = self.cell(step, h)
        return self.out(self.scale(h))


def text(K: Any) -> Any:
    both = K.layers.Bidirectional(K.layers.LSTM(3, return_sequences=True))
    return K.Sequential(
        [K.Input((6,)), K.layers.Embedding(11, 4), both, K.layers.GRU(5), K.layers.Dense(2, activation="softmax")]
    )


def series(K: Any) -> Any:
    lstm = [K.layers.LSTM(4, return_sequences=True) for _ in range(2)]
    head = [K.layers.SimpleRNN(3), K.layers.LayerNormalization(), K.layers.Dense(2, use_bias=False)]
    front = [K.layers.Conv1D(6, 3, activation="relu"), K.layers.BatchNormalization()]
    return K.Sequential([K.Input((12, 5)), *front, *lstm, *head])


def saved(build: Callable[[Any], Any], folder: Path) -> tuple[Any, Any]:
    """An input and the answer of tf_keras; the model and its weights alone in `folder`."""
    K = pytest.importorskip("tf_keras", reason="needs tf_keras")
    model = build(K)
    rng = np.random.default_rng(4)
    drawn = [rng.uniform(0.3, 0.8, a.shape) - 0.5 * (a.ndim > 1) for a in model.get_weights()]
    model.set_weights(drawn)
    model.save(folder / "model.h5")
    model.save_weights(folder / "w.h5")
    shape = (3, *model.inputs[0].shape[1:])
    x = (rng.integers(1, 11, shape) if len(shape) == 2 else rng.standard_normal(shape)).astype(np.float32)
    return x, np.asarray(model(x, training=False))


@pytest.mark.parametrize(("build", "made"), [(text, Text), (series, Series)])
@pytest.mark.parametrize("file", ["model.h5", "w.h5"])
def test_the_module_computes_what_keras_does(
    build: Callable[[Any], Any], made: type[nn.Module], file: str, tmp_path: Path
) -> None:
    x, expected = saved(build, tmp_path)
    module = made().eval()
    filled = wt.fill(module, tmp_path / file)
    names = {name for name, _ in module.named_parameters()}
    assert names <= {name for row in filled.rows for name in row.parameters}
    with torch.no_grad():
        given = torch.from_numpy(x).long() if build is text else torch.from_numpy(x)
        np.testing.assert_allclose(module(given).numpy(), expected, rtol=0, atol=BOUND)
    assert all(row.layer in str(filled) for row in filled.rows)


def before(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def untouched(module: nn.Module, state: dict[str, Tensor]) -> bool:
    return all(torch.equal(value, state[name]) for name, value in module.state_dict().items())


def refused(module: nn.Module, source: Any, match: str, kind: type[PortingError] = WeightsMismatch, **o: Any) -> None:
    state = before(module)
    with pytest.raises(kind, match=match):
        wt.fill(module, source, **o)
    assert untouched(module, state), "all or nothing"


def test_what_does_not_fit_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    saved(text, tmp_path)
    file = tmp_path / "model.h5"
    refused(Text(units=4), file, r"recurrent: another shape than Keras' layer.*both|both: recurrent: another shape")
    missing = Text()
    del missing.out
    refused(missing, file, "dense.*no module for this layer")
    more = Text()
    more.extra = nn.Linear(2, 2)
    refused(more, file, "extra: no layer of Keras for this module")
    attention = Text()
    attention.weight = nn.Parameter(torch.ones(3))
    refused(attention, file, "weight: a parameter of a module that is not known here")
    wt.fill(attention, file, skip=["weight"])
    assert torch.equal(attention.weight, torch.ones(3))


def test_another_function_is_refused(tmp_path: Path) -> None:
    saved(series, tmp_path)
    refused(Series(eps=1e-5), tmp_path / "model.h5", "another epsilon", Unrepresentable)
    portable = wm.load(Path(__file__).parent.parent / "golden" / "k2.2.4_tensorflow_lstm_hs.h5")

    class Hard(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm = nn.LSTM(3, 5, batch_first=True)

    refused(Hard(), portable, r"lstm_10/0 -> lstm: nn.LSTM computes another function.*hard_sigmoid", Unrepresentable)


def test_modules_in_another_order_are_told_by_their_shapes(tmp_path: Path) -> None:
    x, expected = saved(text, tmp_path)

    class Turned(Text):
        def __init__(self) -> None:
            super().__init__()
            self.both, self.gru = self.both, self.gru
            modules = self._modules
            modules["gru"], modules["both"] = modules.pop("gru"), modules.pop("both")

    module = Turned().eval()
    assert [name for name, _ in module.named_children()][-2:] == ["gru", "both"]
    wt.fill(module, tmp_path / "model.h5")
    with torch.no_grad():
        np.testing.assert_allclose(module(torch.from_numpy(x).long()).numpy(), expected, rtol=0, atol=BOUND)


def test_what_forward_has_to_do_is_said(tmp_path: Path) -> None:
    K = pytest.importorskip("tf_keras", reason="needs tf_keras")
    x = K.Input((6,))
    y = K.layers.Embedding(7, 3, mask_zero=True)(x)
    y = K.layers.Bidirectional(K.layers.LSTM(4, return_sequences=True), merge_mode="sum")(y)
    y = K.layers.GRU(5, go_backwards=True)(y)
    K.Model(x, y).save(tmp_path / "model.h5")

    class Mine(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words, self.both = nn.Embedding(7, 3), nn.LSTM(3, 4, bidirectional=True)
            self.gru = nn.GRU(4, 5)

    said = " ".join(wt.fill(Mine(), tmp_path / "model.h5").forward)
    for part in ("masks id 0", "merges its directions by sum", "runs backwards", "its last output alone"):
        assert part in said


def test_numbers_in_the_wrong_place_would_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mutant: without the turn of the kernel the answers differ."""
    x, expected = saved(series, tmp_path)
    monkeypatch.setattr("weight_mapping.torch.places.pack", lambda _, w: _turned(w))
    module = Series().eval()
    wt.fill(module, tmp_path / "model.h5")
    with torch.no_grad():
        assert np.abs(module(torch.from_numpy(x)).numpy() - expected).max() > 1e-3
    assert run is wm.oracle.run


def _turned(weights: Any) -> dict[str, Any]:
    from weight_mapping.packing import pack

    arrays = pack("torch", weights)
    return {**arrays, "weight_hh": np.concatenate(np.split(arrays["weight_hh"], weights.kernel.shape[0])[::-1])}
