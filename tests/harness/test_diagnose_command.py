"""`lstm-parity diagnose` on saved models: the convention that differs is named, with the layer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import weight_mapping as wm
from harness.commands.diagnose import _lines, command
from harness.diagnosis import recordings
from harness.diagnosis.answers import Finding
from harness.diagnosis.models import Place, diagnose_portables, recurrent_layers
from harness.diagnosis.recordings import diagnose_recording
from harness.mutants.table import MUTANTS
from harness.problems import Problem
from weight_mapping.weights import CellWeights, Portable

FILE = Path(__file__).parents[1] / "golden" / "k2.2.4_tensorflow_lstm2.h5"
PLANTED = (
    "gates i and f of lstm swapped", "bias dropped", "bias doubled", "forget bias added twice", "kernel reshaped",
    "recurrent kernel transposed",
)  # fmt: skip


@pytest.fixture(scope="module")
def model() -> Portable:
    return wm.load(FILE)


def planted(model: Portable, name: str, number: int = 1) -> tuple[str, Portable]:
    """The model with one mistake in a recurrent layer, the second, and that layer's name."""
    path, layer = list(recurrent_layers(model.spec))[number]
    cells = {p[len(path) :]: w for p, w in model.weights.items() if p[: len(path)] == path}
    mutant = next(m for m in MUTANTS if m.id == name)
    typed = {p: w for p, w in cells.items() if isinstance(w, CellWeights)}
    changed = mutant.change(Problem(layer=layer, weights=typed, xs=(np.zeros((1, 1, 1)),)))
    assert changed is not None
    weights = {**model.weights, **{(*path, *p): w for p, w in changed.weights.items()}}
    return "/".join(path), replace(model, weights=weights)


@pytest.mark.parametrize("name", PLANTED)
def test_a_mistake_in_the_weights_is_named_with_its_layer(model: Portable, name: str) -> None:
    layer, wrong = planted(model, name)
    (place,) = diagnose_portables(model, wrong)
    assert place.layer == layer
    assert [f.name for f in place.findings] == [name]


@pytest.mark.parametrize(("first", "second"), [(PLANTED[0], PLANTED[2]), (PLANTED[0], PLANTED[5])])
def test_two_mistakes_in_the_weights_are_named(model: Portable, first: str, second: str) -> None:
    layer, wrong = planted(planted(model, first)[1], second)
    (place,) = diagnose_portables(model, wrong)
    assert place.layer == layer and place.findings[0].explains
    assert all(name in place.findings[0].name for name in (first, second))


@pytest.mark.parametrize("name", PLANTED)
def test_a_recorded_answer_is_explained(model: Portable, name: str) -> None:
    layer, wrong = planted(model, name)
    x = np.random.default_rng(0).standard_normal((3, 10, 3))
    y = np.asarray(wm.oracle.run(wrong, x)).astype(np.float32)
    best = diagnose_recording(model, (x,), {"y": y})[0]
    assert best.layer == layer and best.findings[0].name == name and best.findings[0].explains


ALONE = FILE.with_name("k2.2.4_tensorflow_lstm_hs.h5")


def alone(*names: str) -> tuple[Portable, np.ndarray, np.ndarray]:
    """A model of one layer, inputs, and what a port with these mistakes answers in float32."""
    model = wm.load(ALONE)
    ((path, layer),) = recurrent_layers(model.spec)
    cells = {p[1:]: w for p, w in model.weights.items() if isinstance(w, CellWeights)}
    x = np.random.default_rng(0).standard_normal((3, 12, 3))
    made = Problem(layer=layer, weights=cells, xs=(x,))
    for name in names:
        changed = next(m for m in MUTANTS if m.id == name).change(made)
        assert changed is not None
        made = changed
    wrong = replace(model, weights={(*path, *p): w for p, w in made.weights.items()})
    return model, x, np.asarray(wm.oracle.run(wrong, made.x)).astype(np.float32)


def test_two_mistakes_in_a_recording_are_named() -> None:
    model, x, y = alone("bias doubled", "input one step late")
    (place,) = diagnose_recording(model, (x,), {"y": y})
    best = place.findings[0]
    names = {frozenset(name.split(", and ")) for name in (best.name, *best.ties)}
    assert best.explains and frozenset({"bias doubled", "input one step late"}) in names


@pytest.mark.parametrize(
    ("first", "second"), [((0, "bias doubled"), (1, PLANTED[5])), ((1, PLANTED[0]), (1, PLANTED[1]))]
)
def test_two_mistakes_in_a_recording_of_several_layers_are_named(
    model: Portable, first: tuple[int, str], second: tuple[int, str]
) -> None:
    wrong, layers = model, []
    for number, name in (first, second):
        layer, wrong = planted(wrong, name, number)
        layers.append(layer)
    x = np.random.default_rng(0).standard_normal((3, 10, 3))
    (place,) = diagnose_recording(model, (x,), {"y": np.asarray(wm.oracle.run(wrong, x)).astype(np.float32)})
    assert place.layer == " and ".join(dict.fromkeys(layers)) and place.findings[0].explains
    named = set(place.findings[0].name.split(", and "))
    apart = layers[0] != layers[1]
    assert named == {f"{n} in {at}" if apart else n for (_, n), at in zip((first, second), layers, strict=True)}


def test_noise_in_a_recording_of_several_layers_is_not_explained(
    model: Portable, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = np.random.default_rng(0).standard_normal((3, 10, 3))
    y = np.asarray(wm.oracle.run(model, x))
    noisy = {"y": y + np.random.default_rng(1).normal(0, 0.1, y.shape)}
    places = diagnose_recording(model, (x,), noisy)
    assert len(places) == 3 and not any(f.explains or f.where for place in places for f in place.findings)
    monkeypatch.setattr(recordings, "_WORK", 0)
    (finding,) = diagnose_recording(model, (x,), noisy)[0].findings
    assert "two mistakes at once were not tried" in finding.where and not finding.explains


def test_a_small_difference_is_not_explained_by_a_mistake_that_is_as_small(model: Portable) -> None:
    x = np.random.default_rng(0).standard_normal((3, 10, 3))
    y = np.asarray(wm.oracle.run(model, x))
    off = {"y": y + 5e-4 * np.abs(y).max() * np.random.default_rng(1).choice([-1, 1], y.shape)}
    assert not any(f.explains for place in diagnose_recording(model, (x,), off) for f in place.findings)


def test_what_explains_a_recording_in_either_layer_is_a_tie(model: Portable, monkeypatch: pytest.MonkeyPatch) -> None:
    layer, wrong = planted(model, "bias doubled")
    x = np.random.default_rng(0).standard_normal((3, 10, 3))
    row = next(m for m in MUTANTS if m.id == "bias doubled")
    monkeypatch.setattr(recordings, "CANDIDATES", (row, replace(row, id="the same by another name")))
    one, other = diagnose_recording(model, (x,), {"y": np.asarray(wm.oracle.run(wrong, x))})
    assert one.findings[0].ties == (f"the same by another name ({layer})",)
    assert other.findings[0].ties == (f"bias doubled ({layer})",)


def test_where_nothing_explains_a_recording_the_command_says_so_and_where(tmp_path: Path) -> None:
    _, x, y = alone()
    spoilt = np.array(y)
    spoilt.reshape(3, -1)[1] += 0.25
    np.savez(tmp_path / "port.npz", x=x, y=spoilt)
    result = CliRunner().invoke(command, [str(ALONE), str(tmp_path / "port.npz")], standalone_mode=False)
    assert result.return_value == 1
    assert "no known mistake explains it" in result.output and "Where: " in result.output


def test_a_tie_is_told_as_a_tie() -> None:
    lines = _lines([Place(layer="a", findings=(Finding(name="b", explanation="c", fix="d", distance=0, ties=("e",)),))])
    assert "  It can't be told from e." in lines


def test_a_model_agrees_with_itself(model: Portable) -> None:
    assert diagnose_portables(model, model) == ()
    result = CliRunner().invoke(command, [str(FILE), str(FILE)], standalone_mode=False)
    assert result.return_value == 0 and "They agree." in result.output


def test_the_command_reads_a_recording(model: Portable, tmp_path: Path) -> None:
    layer, wrong = planted(model, "bias doubled")
    x = np.random.default_rng(0).standard_normal((3, 10, 3))
    np.savez(tmp_path / "port.npz", x=x, y=np.asarray(wm.oracle.run(wrong, x)))
    result = CliRunner().invoke(command, [str(FILE), str(tmp_path / "port.npz")], standalone_mode=False)
    assert result.return_value == 1
    assert f"{layer}: bias doubled" in result.output and "bias_hh" in result.output


def test_a_file_that_is_no_recording_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "port.npz").write_bytes(b"no archive")
    result = CliRunner().invoke(command, [str(FILE), str(tmp_path / "port.npz")], standalone_mode=False)
    assert isinstance(result.exception, wm.DamagedFile)


def test_other_settings_are_named(model: Portable) -> None:
    other = wm.load(FILE.with_name("k2.2.4_tensorflow_gru.h5"))
    places = diagnose_portables(model, other)
    text = " ".join(f.explanation for p in places for f in p.findings)
    assert "lstm in A and gru in B" in text and "only A has it" in text
