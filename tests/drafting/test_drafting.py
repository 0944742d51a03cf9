"""Weights without a configuration: which recurrent layers they are, what is assumed of them, and what is left open."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from portables import CELLS, layer_weights, plain_weights
from whole_models import at

import weight_mapping as wm
from harness.cli import main
from harness.problems import Sizes, sized
from weight_mapping.drafting import recognising
from weight_mapping.errors import DamagedFile, PortingError
from weight_mapping.plain import plain
from weight_mapping.spec import Bidirectional, Input, Layer, Recurrent, chain, leaves
from weight_mapping.weights import Portable

h5py = pytest.importorskip("h5py")
SIZES = {"all different": Sizes(3, 10, 4, 5), "all equal": Sizes(4, 10, 4, 4)}
TOLD = ("lstm", "lstm no bias", "gru", "gru no bias", "gru before", "rnn")
"""Cells whose shapes tell all but what their Keras takes for granted."""


def run(*names: str, **options: Any) -> Recurrent:
    return Recurrent(cells=tuple(CELLS[name] for name in names), return_sequences=True, **options)


def both_ways(name: str) -> Bidirectional:
    ahead = run(name, zero_output_for_mask=True)
    return Bidirectional(forward=ahead, backward=replace(ahead, go_backwards=True))


LAYERS: Mapping[str, Layer] = {
    **{name: run(name) for name in TOLD},
    **{f"{name} both ways": both_ways(name) for name in TOLD},
    "stack": run("lstm", "gru", "rnn"),
}


def portable(layer: Any, sizes: Sizes) -> Portable:
    """The layer between two that are not recurrent."""
    layer = sized(layer, sizes)
    weights = dict(layer_weights(layer, sizes.input))
    width = 2 * sizes.units if isinstance(layer, Bidirectional) else sizes.units
    before, after = plain("dense", units=sizes.input), plain("dense", units=3)
    layers: dict[str, Layer] = {"before": before, "bidirectional": layer, "after": after}
    return Portable(
        spec=chain("m", Input(name="x", shape=(None, None, 6)), layers),
        weights={
            ("before",): plain_weights(before, {"i": 6}), **at(("bidirectional",), weights),
            ("after",): plain_weights(after, {"i": width}),
        },
    )  # fmt: skip


def legacy(whole: Portable, path: Path) -> Path:
    """The weights alone of the .h5 file that is saved, as Keras' save_weights lays them out."""
    wm.save(whole, path.with_name("whole.h5"))
    with h5py.File(path.with_name("whole.h5")) as model, h5py.File(path, "w") as file:
        for name, group in model["model_weights"].items():
            model.copy(group, file, name)
        file.attrs.update(model["model_weights"].attrs)
    return path


def tree(whole: Portable, path: Path) -> Path:
    wm.save(whole, path.with_suffix(".weights.h5"))
    return path.with_suffix(".weights.h5")


def answer(drafted: Portable, x: NDArray[Any]) -> NDArray[Any]:
    y = wm.oracle.run(drafted, x)
    assert isinstance(y, np.ndarray)
    return y


@pytest.mark.parametrize("write", [legacy, tree], ids=lambda write: write.__name__)
@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("name", LAYERS)
def test_the_layer_is_recognised_and_computes_the_same(
    name: str, sizes: str, write: Callable[[Portable, Path], Path], tmp_path: Path
) -> None:
    """With `all equal`, a stack's order is told by its names, or refused where they are sorted."""
    whole = portable(LAYERS[name], SIZES[sizes])
    path = write(whole, tmp_path / "w.h5")
    if name == "stack" and write is tree:
        with pytest.raises(PortingError, match="order the file does not tell"):
            wm.load(path, layers_only=True)
        return
    drafted = wm.load(path, layers_only=True)
    (layer,) = drafted.spec.layers.values()
    assert layer == whole.spec.layers["bidirectional"]
    x = np.random.default_rng(0).normal(size=(3, 10, SIZES[sizes].input))
    spec = chain("alone", Input(name="x"), {"bidirectional": layer})
    inside = {path: weights for path, weights in whole.weights.items() if path[0] == "bidirectional"}
    assert np.array_equal(answer(drafted, x), answer(Portable(spec=spec, weights=inside), x))
    said = " ".join(drafted.source.resolved)
    assert "recognised as" in said and "activation tanh" in said and "no mask" in said
    assert "left out, since no recurrent layer is recognised there: before, after" in said or write is tree
    assert ("merge_mode concat" in said) == isinstance(layer, Bidirectional)
    assert ("reset_after is not written out" in said) == name.startswith("gru no bias")


def keras_1(name: str, form: str, path: Path) -> Path:
    cell = sized(run(name), Sizes(3, 10, 3, 5))
    weights = layer_weights(cell, 3)[("0",)]
    arrays = wm.pack("keras1" if form == "cpu" else "keras1_gpu", weights)
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [b"mine"]
        group = file.create_group("mine")
        group.attrs["weight_names"] = [f"mine_{n}".encode() for n in arrays]
        for n, array in arrays.items():
            group[f"mine_{n}"] = array
    return path


@pytest.mark.parametrize(
    ("name", "form"), [("lstm", "cpu"), ("lstm", "gpu"), ("gru before", "cpu"), ("gru before", "gpu"), ("rnn", "cpu")]
)
def test_keras_1_by_gate_and_in_one(name: str, form: str, tmp_path: Path) -> None:
    drafted = wm.load(keras_1(name, form, tmp_path / "w.h5"), layers_only=True)
    (weights,) = drafted.weights.values()
    expected = layer_weights(sized(run(name), Sizes(3, 10, 3, 5)), 3)[("0",)]
    for (kind, found), (_, right) in zip(weights.arrays(), expected.arrays(), strict=True):  # type: ignore[union-attr]
        assert np.array_equal(found, right), kind
    said = " ".join(drafted.source.resolved)
    assert "does not say which Keras wrote it; assumed: the defaults of Keras 1" in said
    assert name == "rnn" or "hard_sigmoid" in said


# What is already there: files of every generation, and published ones.

GOLDEN = Path(__file__).resolve().parents[1] / "golden"


def _weights_only() -> Iterator[tuple[Path, Path]]:
    for recording in sorted(GOLDEN.glob("*.npz")):
        config = next(p for p in (recording.with_suffix(".h5"), recording.with_suffix(".keras")) if p.exists())
        for suffix in ("_w.h5", ".weights.h5", "_ckpt"):
            path = recording.with_name(f"{recording.stem}{suffix}")
            if path.exists():
                yield path, config


@pytest.mark.parametrize(("path", "config"), list(_weights_only()), ids=lambda path: path.name)
def test_golden_weights_are_what_their_configuration_says(path: Path, config: Path) -> None:
    truth = wm.load(path, config, layers_only=True)
    if "stacked" in path.name and not path.name.startswith("tf26"):
        with pytest.raises(PortingError, match="order the file does not tell"):
            wm.load(path, layers_only=True)
        return
    drafted = wm.load(path, layers_only=True)
    assert list(drafted.fingerprints().values()) == list(truth.fingerprints().values())
    for layer, expected in zip(drafted.spec.layers.values(), truth.spec.layers.values(), strict=True):
        assert type(layer) is type(expected)
        assert _cells(layer) == _cells(expected)


def _cells(layer: Any) -> list[Any]:
    return [replace(cell, dropout_per_gate=False) for _, cell in leaves(layer)]  # type: ignore[call-arg]


def test_published_weights(shared: Callable[[str], Path]) -> None:
    folder = shared("wild")
    rows = [r for r in json.loads((folder / "manifest.json").read_text(encoding="utf-8")) if r.get("weights_only")]
    assert len(rows) == 8
    for row in rows:
        drafted = wm.load(folder / row["file"], layers_only=True)
        named = [name for name in row["layer_names"] if name.startswith(("lstm", "gru"))]
        assert list(drafted.spec.layers) == named
        assert len([line for line in drafted.source.resolved if "recognised as" in line]) == len(named)


# What is open is refused, and what would be read wrong is not guessed.


def group(path: Path, layer: str, arrays: Mapping[str, tuple[int, ...]]) -> Path:
    """A legacy file of weights with one layer of these names and shapes."""
    rng = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [layer.encode()]
        file.attrs["keras_version"], file.attrs["backend"] = b"2.2.4", b"tensorflow"
        made = file.create_group(layer)
        made.attrs["weight_names"] = [name.encode() for name in arrays]
        for name, shape in arrays.items():
            made[name] = rng.normal(size=shape)
    return path


def cell(stem: str, width: int, units: int, number: str = "", gates: int = 4) -> dict[str, tuple[int, ...]]:
    wide = gates * units
    shapes = {"kernel": (width, wide), "recurrent_kernel": (units, wide), "bias": (wide,)}
    return {f"{stem}/{name}{number}:0": shape for name, shape in shapes.items()}


OPEN = {
    "may be stacked or the two directions": ("both", {**cell("both", 5, 5), **cell("both", 5, 5, "_1")}),
    "cells that are no stack": ("rnn", {**cell("rnn/lstm_cell", 3, 4), **cell("rnn/lstm_cell_1", 5, 6)}),
    "an array that no recurrent layer of Keras has": (
        "lstm", {**cell("lstm", 3, 5), "lstm/gamma:0": (20,), "lstm/beta:0": (20,)}
    ),
    "no recurrent layer can be recognised": ("dense", {"dense/kernel:0": (3, 12), "dense/bias:0": (12,)}),
}  # fmt: skip


@pytest.mark.parametrize("said", OPEN)
def test_what_is_open_is_refused_with_the_way_out(said: str, tmp_path: Path) -> None:
    with pytest.raises(PortingError, match=rf"{said}.*config="):
        wm.load(group(tmp_path / "w.h5", *OPEN[said]), layers_only=True)


def test_two_directions_without_a_word_of_it(tmp_path: Path) -> None:
    """The neighbours of what is refused: a name that says it, sizes that allow nothing else, cells that follow."""
    named = {**cell("bidirectional_3", 5, 5), **cell("bidirectional_3", 5, 5, "_1")}
    sizes = {**cell("both", 3, 5), **cell("both", 3, 5, "_1")}
    stack = {**cell("rnn/lstm_cell", 3, 4), **cell("rnn/lstm_cell_1", 4, 6)}
    for layer, arrays, kind in (
        ("bidirectional_3", named, Bidirectional),
        ("both", sizes, Bidirectional),
        ("rnn", stack, Recurrent),
    ):
        drafted = wm.load(group(tmp_path / f"{layer}.h5", layer, arrays), layers_only=True)
        assert isinstance(drafted.spec.layers[layer], kind)


def test_a_model_inside_named_after_a_wrapper_keeps_its_layers_apart(tmp_path: Path) -> None:
    arrays = {**cell("lstm_1", 5, 5), **cell("lstm_2", 5, 5)}
    drafted = wm.load(group(tmp_path / "w.h5", "bidirectional_model", arrays), layers_only=True)
    assert [type(layer) for layer in drafted.spec.layers.values()] == [Recurrent, Recurrent]


def test_a_bias_of_another_shape_is_not_dropped(tmp_path: Path) -> None:
    arrays = {**cell("lstm", 3, 5), "lstm/bias:0": (19,)}
    with pytest.raises(PortingError, match=r"lstm/bias:0.*no recurrent layer of Keras has"):
        wm.load(group(tmp_path / "w.h5", "lstm", arrays), layers_only=True)


def test_hostile_names_are_drafted_as_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = "\x1b[2J<b>' or 1 #"
    path = group(tmp_path / "w.h5", name, cell(name, 3, 5))
    assert list(wm.load(path, layers_only=True).spec.layers) == [name]
    with pytest.raises(SystemExit) as ended:
        main(["port", str(path), "-o", str(tmp_path / "out"), "--layers-only", "--no-proof"])
    told = capsys.readouterr()
    assert not ended.value.code and "recognised as LSTM" in told.out and "\x1b" not in told.out + told.err


# Each promise with the mistake that breaks it.


def test_without_the_order_within_a_cell_a_checkpoint_loses_its_biases(monkeypatch: pytest.MonkeyPatch) -> None:
    path = GOLDEN / "tf26_lstm2_ckpt"
    assert all(w.bias is not None for w in wm.load(path, layers_only=True).weights.values())  # type: ignore[union-attr]
    monkeypatch.setattr(recognising, "_in_a_cell", lambda item: item[0])
    with pytest.raises(PortingError, match="no recurrent layer of Keras has"):
        wm.load(path, layers_only=True)
    monkeypatch.setattr(recognising, "_refuse_others", lambda *_: None)
    assert all(w.bias is None for w in wm.load(path, layers_only=True).weights.values())  # type: ignore[union-attr]


MISTAKES: Mapping[str, tuple[str, Any]] = {
    "may be stacked or the two directions": ("_are_directions", lambda *_: False),
    "cells that are no stack": ("_arranged", lambda layer, cells, told: cells),
    "an array that no recurrent layer of Keras has": ("_refuse_others", lambda *_: None),
}


@pytest.mark.parametrize("said", MISTAKES)
def test_without_its_check_the_layer_is_guessed(said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recognising, *MISTAKES[said])
    assert wm.load(group(tmp_path / "w.h5", *OPEN[said]), layers_only=True).weights


def test_two_weights_under_one_name_are_refused(tmp_path: Path) -> None:
    """As TensorFlow 2.1 saved stacked cells: the second one's numbers are not in the file."""
    path = group(tmp_path / "w.h5", "rnn_1", cell("rnn_1", 3, 5))
    with h5py.File(path, "r+") as file:
        names = list(file["rnn_1"].attrs["weight_names"])
        file["rnn_1"].attrs["weight_names"] = names * 2
    with pytest.raises(DamagedFile, match="two weights were saved under one name"):
        wm.load(path, layers_only=True)
