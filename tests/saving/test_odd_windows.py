"""Files written on Theano into Keras 3: the windows' zeros give the outputs that Keras on Theano computed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

import weight_mapping as wm
from weight_mapping.errors import Unrepresentable
from weight_mapping.odd_windows import with_odd_windows
from weight_mapping.plain import plain
from weight_mapping.spec import Input, chain, leaves
from weight_mapping.weights import Portable

GOLDEN = Path(__file__).parent.parent / "golden" / "conv"
# float32 sums against Keras' own: the golden files' bound.
BOUND = 1e-5


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.h5")), ids=lambda p: p.stem)
def test_a_file_of_theano_lives_on_in_keras_3(path: Path, tmp_path: Path) -> None:
    keras = pytest.importorskip("keras", reason="needs Keras")
    portable = wm.load(path)
    wm.save(portable, tmp_path / "model.keras", keras=3)
    model = keras.models.load_model(tmp_path / "model.keras", compile=False)
    with np.load(path.with_suffix(".npz")) as recorded:
        found = np.asarray(model.predict(recorded["x"], verbose=0))
        np.testing.assert_allclose(found, recorded["y0"], rtol=0, atol=BOUND)
    keras.backend.clear_session()


def convolution(kind: str, **options: object) -> Portable:
    layer = plain(kind, rank=2, padding="same", pad_start=True, kernel_size=(2, 4), use_bias=False, **options)
    rng = np.random.default_rng(0)
    name, shape = ("kernel", (2, 4, 3, 5)) if kind == "conv" else ("depthwise_kernel", (2, 4, 3, 2))
    weights: dict[str, np.ndarray] = {name: rng.normal(size=shape)}
    if kind == "separable_conv":
        weights["pointwise_kernel"] = rng.normal(size=(1, 1, 6, 5))
    spec = chain("m", Input(name="x", shape=(None, 6, 7, 3)), {"layer": layer})
    return Portable(spec=spec, weights={("layer",): weights})


@pytest.mark.parametrize("kind", ["conv", "depthwise_conv", "separable_conv"])
def test_the_function_stays(kind: str) -> None:
    portable = convolution(kind, filters=5)
    widened = with_odd_windows(portable)
    (_, leaf), *_ = leaves(widened.spec)
    assert isinstance(leaf.options, Mapping) and leaf.options["kernel_size"] == (3, 5)
    x = np.random.default_rng(1).normal(size=(2, 6, 7, 3))
    # A zero more in each sum changes the order of its rounding at most: 40 terms, 2^-53 each of the greatest.
    expected = wm.oracle.run(portable, x)
    np.testing.assert_allclose(wm.oracle.run(widened, x), expected, rtol=0, atol=40 * 2.0**-53 * 20)
    assert any("zeros added" in line for line in widened.source.resolved)


@pytest.mark.parametrize("stated", [{"strides": (2, 1)}, {"dilation": (1, 3)}])
def test_what_no_odd_window_states_is_refused(stated: dict[str, object], tmp_path: Path) -> None:
    portable = convolution("conv", filters=5, **stated)
    assert with_odd_windows(portable) is portable
    with pytest.raises(Unrepresentable, match="Theano"):
        wm.save(portable, tmp_path / "model.keras", keras=3)
    assert not any(tmp_path.iterdir())
