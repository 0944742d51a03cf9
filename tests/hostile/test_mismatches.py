"""Weights that contradict their configuration: named, in every layout, and nothing is written."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from models import apart, configuration, h5, sound

import weight_mapping as wm
from harness.cli import main
from weight_mapping import packing
from weight_mapping.addresses import legacy
from weight_mapping.errors import WeightsMismatch
from weight_mapping.spec import Cell, Input, Recurrent, chain
from weight_mapping.weights import CellWeights, Portable

h5py = pytest.importorskip("h5py")
Attack = Callable[[Any], None]
KERNEL, RECURRENT, BIAS = "lstm/0/kernel:0", "lstm/0/recurrent_kernel:0", "lstm/0/bias:0"


def _group(file: Any, layer: str) -> Any:
    return file["model_weights"][layer]


def fewer(file: Any) -> None:
    _group(file, "lstm").attrs["weight_names"] = [KERNEL, RECURRENT]


def more(file: Any) -> None:
    group = _group(file, "dense")
    group["extra:0"] = np.zeros(2)
    group.attrs["weight_names"] = [*(_text(n) for n in group.attrs["weight_names"]), "extra:0"]


def transposed(file: Any) -> None:
    _replace(_group(file, "lstm"), RECURRENT, lambda a: a.T)


def wider(file: Any) -> None:
    _replace(_group(file, "lstm"), KERNEL, lambda a: np.concatenate([a, a[:, :4]], 1))


def another_rank(file: Any) -> None:
    _replace(_group(file, "dense"), "dense/kernel:0", lambda a: a[None])


def another_layer_s(file: Any) -> None:
    names = {layer: list(_group(file, layer).attrs["weight_names"]) for layer in ("lstm", "dense")}
    arrays = {layer: [_group(file, layer)[_text(n)][...] for n in names[layer]] for layer in names}
    for layer, other in (("lstm", "dense"), ("dense", "lstm")):
        del file["model_weights"][layer]
        group = file["model_weights"].create_group(layer)
        group.attrs["weight_names"] = [_text(n) for n in names[other]]
        for name, array in zip(names[other], arrays[other], strict=True):
            group[_text(name)] = array


def no_layer(file: Any) -> None:
    file["model_weights"].attrs["layer_names"] = [b"lstm"]


def _text(name: Any) -> str:
    return name.decode() if isinstance(name, bytes) else str(name)


def _replace(group: Any, name: str, change: Callable[[Any], Any]) -> None:
    values = change(group[name][...])
    del group[name]
    group[name] = values


LEGACY: dict[str, tuple[Attack, str]] = {
    "fewer": (fewer, r"lstm.*another number of arrays.*found 2: kernel, recurrent_kernel; expected 3"),
    "more": (more, r"dense.*another number of arrays.*extra"),
    "transposed": (transposed, r"lstm.*recurrent_kernel.*wrong shape"),
    "wider": (wider, r"lstm.*wrong shape"),
    "another rank": (another_rank, r"dense/kernel.*wrong shape.*\(1, 5, 2\)"),
    "another layer's": (another_layer_s, r"lstm|dense"),
    "no layer": (no_layer, r"dense.*no weights for this layer"),
}


@pytest.mark.parametrize("name", LEGACY)
def test_a_contradiction_is_named_and_no_output_written(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    attack, said = LEGACY[name]
    path, _ = h5(tmp_path, configuration())
    with h5py.File(path, "r+") as file:
        attack(file)
    with pytest.raises(WeightsMismatch, match=said):
        wm.load(path)
    for options in ([], ["--no-proof", "--to", "keras"]):
        with pytest.raises(SystemExit) as ended:
            main(["port", str(path), "-o", str(tmp_path / "out"), *options])
        assert ended.value.code == 3 and "Traceback" not in capsys.readouterr().err
        assert not (tmp_path / "out").exists()


def test_wrong_units_in_the_configuration(tmp_path: Path) -> None:
    for write in (h5, apart):
        config = configuration()
        config["config"]["layers"][1]["config"]["units"] = 6
        with pytest.raises(WeightsMismatch, match=r"lstm.*wrong shape"):
            wm.load(*write(tmp_path, config))


TREE: dict[str, tuple[Attack, str]] = {
    "fewer": (lambda f: f.__delitem__("layers/lstm/cell/vars/2"), r"lstm/0/bias.*no weights.*vars/2"),
    "renamed": (lambda f: f.move("layers/lstm", "layers/lstm_7"), r"lstm/0.*no weights for this layer"),
    "transposed": (
        lambda f: _replace(f["layers/lstm/cell/vars"], "1", lambda a: a.T), r"lstm.*recurrent_kernel.*wrong shape",
    ),
    "wrong order": (lambda f: _swap(f["layers/lstm/cell/vars"]), r"lstm.*wrong shape"),
}  # fmt: skip


def _swap(group: Any) -> None:
    first, second = group["0"][...], group["1"][...]
    del group["0"], group["1"]
    group["0"], group["1"] = second, first


@pytest.mark.parametrize("name", TREE)
def test_a_contradiction_in_a_tree_is_named(name: str, tmp_path: Path) -> None:
    attack, said = TREE[name]
    path, config = apart(tmp_path, configuration())
    with h5py.File(path, "r+") as file:
        attack(file)
        if name == "renamed":
            for group in file["layers"].values():
                if "vars" in group and "name" in group["vars"].attrs:
                    del group["vars"].attrs["name"]
    with pytest.raises(WeightsMismatch, match=said):
        wm.load(path, config)


# What is told by its names all the same.


def test_the_neighbours_another_order_of_names_and_other_names_of_layers(tmp_path: Path) -> None:
    """An order that the names undo, and layers renamed by whoever built the model anew: the numbers are the same."""
    path, _ = h5(tmp_path, configuration())
    expected = wm.load(path).fingerprints()
    with h5py.File(path, "r+") as file:
        _group(file, "lstm").attrs["weight_names"] = [BIAS, RECURRENT, KERNEL]
    assert wm.load(path).fingerprints() == expected
    path, _ = h5(tmp_path, configuration())
    with h5py.File(path, "r+") as file:
        weights = file["model_weights"]
        weights.move("lstm", "lstm_9")
        weights.attrs["layer_names"] = [b"lstm_9", b"dense"]
    assert wm.load(path).fingerprints() == expected


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_in_square_sizes_names_tell_what_shapes_do_not(order: tuple[int, ...], tmp_path: Path) -> None:
    """Kernel and recurrent kernel of one shape, in any order of weight_names."""
    rng = np.random.default_rng(0)
    cell = CellWeights(kind="lstm", kernel=rng.normal(size=(4, 3, 3)), recurrent=rng.normal(size=(4, 3, 3)),
                       bias=rng.normal(size=(1, 4, 3)))  # fmt: skip
    layers = {"lstm": Recurrent(cells=(Cell(kind="lstm", units=3),))}
    spec = chain("m", Input(name="x", shape=(None, 7, 3)), layers)
    wm.save(Portable(spec=spec, weights={("lstm", "0"): cell}), tmp_path / "m.h5")
    expected = wm.load(tmp_path / "m.h5").fingerprints()
    with h5py.File(tmp_path / "m.h5", "r+") as file:
        _group(file, "lstm").attrs["weight_names"] = [(KERNEL, RECURRENT, BIAS)[n] for n in order]
    assert wm.load(tmp_path / "m.h5").fingerprints() == expected


@pytest.mark.parametrize("name", ["another number", "wrong shape"])
def test_without_its_check_the_attack_succeeds(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A transposed recurrent kernel would be read as one; an array left over would be dropped."""
    path, _ = h5(tmp_path, configuration())
    with h5py.File(path, "r+") as file:
        (more if name == "another number" else transposed)(file)
    if name == "another number":
        whole = legacy._within

        def careless(layer: str, expected: Any, arrays: Any) -> Any:
            return whole(layer, expected, arrays[: sum(len(e.names) for e in expected)])

        with pytest.raises(WeightsMismatch):
            wm.load(path)
        monkeypatch.setattr(legacy, "_within", careless)
        assert wm.load(path).fingerprints() == sound().fingerprints()
    else:
        with pytest.raises(WeightsMismatch):
            wm.load(path)
        monkeypatch.setattr(packing, "solve", lambda row, shapes, known: {**known, "i": 3})
        monkeypatch.setattr(packing, "unpack_row", lambda row, arrays: _as_if_right(arrays))
        cell = wm.load(path).weights["lstm", "0"]
        assert isinstance(cell, CellWeights) and cell.recurrent.shape == (4, 5, 5)


def _as_if_right(arrays: Any) -> CellWeights:
    kernel, recurrent, bias = arrays.values()
    return CellWeights(
        kind="lstm", kernel=kernel.reshape(3, 4, 5).transpose(1, 2, 0), recurrent=recurrent.reshape(4, 5, 5),
        bias=bias.reshape(1, 4, 5),
    )  # fmt: skip


def test_a_weight_file_of_another_model(tmp_path: Path) -> None:
    path, config = apart(tmp_path, configuration())
    other = Path(__file__).parents[1] / "golden" / "k3151_bi.weights.h5"
    shutil.copyfile(other, path)
    with pytest.raises(WeightsMismatch, match=r"lstm/0.*no weights for this layer"):
        wm.load(path, config)
