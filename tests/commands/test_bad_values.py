"""Numbers and sizes at the edge: the right result with its bits kept, or a refusal that names them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import weight_mapping as wm
from harness import compare
from harness.cli import main
from harness.porting import described, proving
from harness.porting.targets import keras as keras_target
from weight_mapping.activations import Activation, activation, hard_sigmoid
from weight_mapping.errors import PortingError, Unsupported, WeightsMismatch
from weight_mapping.spec import Cell, Input, Recurrent, chain
from weight_mapping.weights import CellWeights, Portable

h5py = pytest.importorskip("h5py")
GOLDEN = Path(__file__).parents[1] / "golden"
RNG = np.random.default_rng(11)
SIGMOID = activation("sigmoid")


def changed(path: Path, change: Any) -> Path:
    """A golden LSTM whose kernel's numbers are `change(numbers)`; what h5py stores is what that gives."""
    path.write_bytes((GOLDEN / "k2.2.4_tensorflow_lstm_hs.h5").read_bytes())
    with h5py.File(path, "r+") as file:
        found: list[str] = []
        file.visititems(lambda name, item: found.append(name) if isinstance(item, h5py.Dataset) else None)
        name = next(each for each in found if each.endswith("kernel:0") and "recurrent" not in each)
        values = change(file[name][...])
        del file[name]
        file.create_dataset(name, data=values, dtype=getattr(values, "h5", values.dtype))
    return path


def port(file: Path, folder: Path, *options: str) -> tuple[int, dict[str, Any]]:
    with pytest.raises(SystemExit) as ended:
        main(["port", str(file), "-o", str(folder), *options])
    proof = folder / "proof.json"
    return int(ended.value.code or 0), json.loads(proof.read_text()) if proof.exists() else {}


def with_value(value: float) -> Any:
    def change(kernel: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        kernel[1, 2] = value
        return kernel

    return change


@pytest.mark.parametrize("options", [("--to", "onnx"), ("--to", "keras"), ("--standalone",)], ids=" ".join)
def test_nan_passes_nowhere(options: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if options[-1] == "onnx":
        pytest.importorskip("onnxruntime")
    monkeypatch.setattr(keras_target, "_untried", lambda *_: {"a Keras": "takes long to import"})
    code, proof = port(changed(tmp_path / "m.h5", with_value(np.nan)), tmp_path / "out", *options)
    assert code == 1 and {check["verdict"] for check in proof["checks"]} == {"fails"}


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf], ids=str)
def test_a_weight_that_is_no_number_is_told(value: float, tmp_path: Path) -> None:
    """NaN never passes. An infinite weight saturates a gate: its answer is finite, may agree, and is flagged."""
    code, proof = port(changed(tmp_path / "m.h5", with_value(value)), tmp_path / "out")
    assert any("contains NaN or infinity" in line for line in proof["warnings"])
    assert (code, proof["verdict"]) == ((1, "fails") if np.isnan(value) else (0, "holds"))


def test_without_its_check_a_weight_that_is_no_number_is_not_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guard of the guard: a judge who looks at the numbers that are left, and a reader who looks at none."""

    def careless(name: str, reference: Any, found: Any, **_: Any) -> compare.Difference:
        return compare.Difference(float(np.nanmax(np.abs(found - reference), initial=0)), name)

    monkeypatch.setattr(compare, "difference", careless)
    monkeypatch.setattr(proving, "_amplification", lambda *given: dict.fromkeys(given[2], 1.0))
    monkeypatch.setattr(described, "warnings", lambda portable: [])
    code, proof = port(changed(tmp_path / "m.h5", with_value(np.nan)), tmp_path / "out")
    assert (code, proof["warnings"]) == (0, [])


@pytest.mark.parametrize("value", [-0.0, 1e-42, 1.1754942e-38, 3.4e38], ids=str)
def test_a_weight_at_the_edge_keeps_its_bits(value: float, tmp_path: Path) -> None:
    """Negative zero, subnormal numbers, the largest."""
    code, proof = port(changed(tmp_path / "m.h5", with_value(value)), tmp_path / "out")
    assert code == 0 and proof["verdict"] == "holds"
    kernel = next(
        a for n, a in wm.load(tmp_path / "out" / "model.safetensors").arrays().items() if n.endswith("/kernel")
    )
    assert np.float32(value).tobytes() in {number.tobytes() for number in kernel.ravel()}


@pytest.mark.parametrize("dtype", ["<f2", "<f8", ">f4", ">f8", ">f2"])
def test_every_width_and_byte_order_of_floats(dtype: str, tmp_path: Path) -> None:
    file = changed(tmp_path / "m.h5", lambda kernel: kernel.astype(dtype))
    loaded = wm.load(file)
    kernel = next(array for name, array in loaded.arrays().items() if name.endswith("/kernel"))
    assert kernel.dtype == np.dtype(dtype).newbyteorder("=")
    assert port(file, tmp_path / "out")[0] == 0
    assert wm.load(tmp_path / "out" / "model.safetensors").fingerprints() == loaded.fingerprints()


@pytest.mark.parametrize("dtype", ["i1", "u1", "<i4", ">i8", "?"])
def test_weights_that_are_no_floats_are_refused_by_name(dtype: str, tmp_path: Path) -> None:
    file = changed(tmp_path / "m.h5", lambda kernel: (3 * kernel).astype(dtype))
    with pytest.raises(WeightsMismatch, match=r"lstm_10/0/kernel.*no floats; found (u?int\d+|bool)"):
        wm.load(file)


@pytest.mark.parametrize("shape", [(0, 20), (3, 0)])
def test_weights_without_any_number_are_refused_by_name(shape: tuple[int, int], tmp_path: Path) -> None:
    file = changed(tmp_path / "m.h5", lambda kernel: kernel[: shape[0], : shape[1]])
    with pytest.raises(WeightsMismatch, match=r"lstm_10/0/kernel.*without any number"):
        wm.load(file)


@pytest.mark.parametrize(("kind", "said"), [("c8", "compound"), ("S4", "string"), ("V2", "opaque")])
def test_what_holds_no_plain_numbers_is_refused_by_name(kind: str, said: str, tmp_path: Path) -> None:
    """`V2` is what h5py makes of a bfloat16."""
    file = changed(tmp_path / "m.h5", lambda kernel: np.zeros(kernel.shape, kind))
    with pytest.raises(Unsupported, match=f"kernel:0.*{said}"):
        wm.load(file)


def model(units: int, steps: int | None = None, gates: Activation = SIGMOID) -> Portable:
    cell = Cell(kind="lstm", units=units, input_size=3, recurrent_activation=gates)
    weights = CellWeights(
        kind="lstm", kernel=RNG.normal(size=(4, units, 3)), recurrent=RNG.normal(size=(4, units, units)),
        bias=RNG.normal(size=(1, 4, units)),
    )  # fmt: skip
    layers = {"l": Recurrent(cells=(cell,), return_sequences=True)}
    return Portable(spec=chain("m", Input(name="x", shape=(None, steps, 3)), layers), weights={("l", "0"): weights})


def answers(portable: Portable, x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    torch = pytest.importorskip("torch")
    import weight_mapping.torch as wt

    with torch.no_grad():
        found: np.ndarray[Any, Any] = wt.build(portable, dtype=torch.float64)(torch.from_numpy(x)).numpy()
    return found


@pytest.mark.parametrize(("units", "batch", "steps"), [(1, 2, 12), (5, 1, 1), (1, 1, 1)])
def test_one_unit_one_sample_one_step(units: int, batch: int, steps: int) -> None:
    portable, x = model(units), RNG.normal(size=(batch, steps, 3))
    # Sums of at most eight products in float64, squashed: far below 1e-13; another meaning differs by 1e-4 and more.
    np.testing.assert_allclose(answers(portable, x), wm.oracle.run(portable, x), rtol=0, atol=1e-13)


def test_arrays_in_any_order_and_byte_order_of_memory() -> None:
    """Transposed views, every second element, big-endian, Fortran order: the numbers count, not how they lie."""
    portable = model(5)
    (where, cell), x = next(iter(portable.weights.items())), RNG.normal(size=(2, 12, 3))
    assert isinstance(cell, CellWeights)
    wide = np.repeat(cell.kernel, 2, axis=2)
    for kernel in (np.asfortranarray(cell.kernel), wide[:, :, ::2], cell.kernel.astype(">f8")):
        other = CellWeights(kind="lstm", kernel=kernel, recurrent=cell.recurrent, bias=cell.bias)
        again = Portable(spec=portable.spec, weights={where: other})
        assert again.fingerprints() == portable.fingerprints()
        np.testing.assert_allclose(answers(again, x), answers(portable, x), rtol=0, atol=1e-13)


@pytest.mark.parametrize("shape", [(0, 4, 3), (2, 0, 3)])
def test_no_samples_and_no_steps_are_refused_by_name(shape: tuple[int, ...]) -> None:
    with pytest.raises(PortingError, match="without samples or without time steps"):
        wm.oracle.run(model(5), np.zeros(shape))


@pytest.mark.parametrize("gates", [SIGMOID, hard_sigmoid(1 / 5)], ids=str)
def test_no_samples_are_no_answers_and_no_steps_are_refused_in_pytorch(gates: Activation) -> None:
    """In `nn.LSTM`, and in what is compiled."""
    assert answers(model(5, gates=gates), np.zeros((0, 4, 3))).shape == (0, 4, 5)
    with pytest.raises(PortingError, match="without any step"):
        answers(model(5, gates=gates), np.zeros((2, 0, 3)))


def test_a_million_steps_are_refused_with_the_way_out_and_ported_without_proof(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wm.save(model(2, steps=1_000_000), tmp_path / "m.safetensors", proof=False)
    assert port(tmp_path / "m.safetensors", tmp_path / "out") == (2, {})
    assert "seconds a run" in capsys.readouterr().err
    assert port(tmp_path / "m.safetensors", tmp_path / "out", "--no-proof")[0] == 0
