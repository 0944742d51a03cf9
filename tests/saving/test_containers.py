"""What is written means what was read, in every container; what can't be said in one is refused, and nothing is
written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import weight_mapping as wm
from weight_mapping.errors import PortingError, Unrepresentable

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
MODELS = [path for path in sorted(GOLDEN.rglob("*.h5")) if not path.stem.endswith(("_w", ".weights"))]
STARTS_WITH_THE_ODD_CELL = {
    "k1.2.2_theano_conv2d_lstm_th.h5",
    "k1.2.2_theano_convlstm_tf.h5",
    "k2.2.4_theano_conv2d_lstm_channels_last.h5",
    "k2.2.4_theano_convlstm_channels_first.h5",
}
"""Even kernels under Theano's padding same."""


def _listed(answer: Any) -> list[NDArray[Any]]:
    return list(answer) if isinstance(answer, tuple | list) else [answer]


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.name)
def test_every_container_keeps_the_numbers_and_the_meaning(path: Path, tmp_path: Path) -> None:
    portable = wm.load(path)
    with np.load(path.with_suffix(".npz")) as recorded:
        inputs = [recorded[name] for name in sorted(recorded) if name.startswith("x")]
    expected = _listed(wm.oracle.run(portable, *inputs))
    wm.save(portable, tmp_path / "model.h5")
    wm.save(portable, tmp_path / "model.weights.h5")
    wm.save(portable, tmp_path / "model.safetensors")
    written = {
        "model.h5": wm.load(tmp_path / "model.h5"),
        "model.weights.h5": wm.load(tmp_path / "model.weights.h5", tmp_path / "model.h5"),
        "model.safetensors": wm.load(tmp_path / "model.safetensors"),
    }
    if path.name not in STARTS_WITH_THE_ODD_CELL:
        wm.save(portable, tmp_path / "model.keras")
        written["model.keras"] = wm.load(tmp_path / "model.keras")
    for name, again in written.items():
        assert again.fingerprints() == portable.fingerprints(), name
        for a, b in zip(_listed(wm.oracle.run(again, *inputs)), expected, strict=True):
            np.testing.assert_array_equal(a, b, err_msg=name)


@pytest.mark.parametrize("name", sorted(STARTS_WITH_THE_ODD_CELL))
def test_what_only_theano_computes_goes_into_h5_alone(name: str, tmp_path: Path) -> None:
    portable = wm.load(GOLDEN / "conv" / name)
    with pytest.raises(Unrepresentable, match=r"no place for the backend.*\.h5"):
        wm.save(portable, tmp_path / "model.keras")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "keras", "said"),
    [
        ("model.onnx", None, "an unknown suffix"),
        ("model", None, "an unknown suffix"),
        ("m.h5", 1, "no such generation"),
    ],
)
def test_what_can_not_be_written_is_refused_by_name(name: str, keras: int | None, said: str, tmp_path: Path) -> None:
    with pytest.raises(PortingError, match=said):
        wm.save(wm.load(GOLDEN / "k3151_lstm2.keras"), tmp_path / name, keras=keras)
    assert not list(tmp_path.iterdir())


def test_a_file_that_was_there_stays_where_a_save_is_refused(tmp_path: Path) -> None:
    there = tmp_path / "model.keras"
    there.write_bytes(b"earlier")
    with pytest.raises(Unrepresentable):
        wm.save(wm.load(GOLDEN / "conv" / "k1.2.2_theano_conv2d_lstm_th.h5"), there)
    assert there.read_bytes() == b"earlier"
