"""Files written on Theano into Keras 3: the windows' zeros give the outputs that Keras on Theano computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import weight_mapping as wm
from weight_mapping.errors import Unrepresentable
from weight_mapping.plain import plain
from weight_mapping.saving.odd_windows import with_odd_windows
from weight_mapping.spec import Cell, ConvCell, Custom, Input, Plain, Recurrent, chain, leaves
from weight_mapping.weights import CellWeights, Portable, Source

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


def test_only_even_windows_of_theano_grow() -> None:
    portable = convolution("conv", filters=5)
    kernel = portable.weights["layer",]["kernel"]  # type: ignore[index]
    widened = with_odd_windows(portable)
    grown = widened.weights["layer",]["kernel"]  # type: ignore[index]
    assert grown.shape == (3, 5, 3, 5)
    assert np.array_equal(grown[:2, :4], kernel) and not grown[2].any() and not grown[:, 4].any()
    layer = portable.spec.layers["layer"]
    assert isinstance(layer, Plain)
    stated = plain("conv", **{**layer.options, "kernel_size": (3, 5), "pad_start": False})
    assert widened.spec.layers["layer"] == stated
    odd = plain("conv", **{**layer.options, "kernel_size": (2, 3)})
    mixed = replace(
        portable, spec=chain("m", Input(name="x"), {"layer": odd}), weights={("layer",): {"kernel": kernel[:, :3]}}
    )
    assert with_odd_windows(mixed).weights["layer",]["kernel"].shape == (3, 3, 3, 5)  # type: ignore[index]
    theirs = plain("conv", **{**layer.options, "pad_start": False})
    same = replace(portable, spec=chain("m", Input(name="x"), {"layer": theirs}))
    assert with_odd_windows(same) is same


@pytest.mark.parametrize(
    "steps", [{}, {"padding": "valid"}, {"strides": (2,)}, {"dilation": (2,)}, {"pad_start": False}]
)
def test_a_convolutional_cell_of_theano(steps: dict[str, object]) -> None:
    given = {"kernel_size": (2,), "strides": (1,), "dilation": (1,), "padding": "same", "pad_start": True, **steps}
    cell = ConvCell(rank=1, units=3, input_size=2, **given)  # type: ignore[arg-type]
    rng = np.random.default_rng(0)
    stored = CellWeights(
        kind="conv_lstm", kernel=rng.normal(size=(4, 3, 2, 2)), recurrent=rng.normal(size=(4, 3, 3, 2)),
        bias=rng.normal(size=(1, 4, 3)),
    )  # fmt: skip
    layer = Recurrent(cells=(cell,), return_sequences=True)
    portable = Portable(spec=chain("m", Input(name="x"), {"l": layer}), weights={("l", "0"): stored})
    widened = with_odd_windows(portable)
    if steps:
        assert widened is portable
        return
    assert widened.spec.layers["l"] == replace(layer, cells=(replace(cell, kernel_size=(3,), pad_start=False),))
    assert widened.source.resolved == ("l/0: zeros added to even windows, which Theano pads at the start",)
    found = widened.weights["l", "0"]
    assert isinstance(found, CellWeights)
    for before, after in ((stored.kernel, found.kernel), (stored.recurrent, found.recurrent)):
        assert np.array_equal(after[..., :2], before) and after.shape[-1] == 3 and not after[..., 2].any()
    assert found.bias is not None and np.array_equal(found.bias, stored.bias)  # type: ignore[arg-type]
    x = rng.normal(size=(2, 4, 6, 2))
    np.testing.assert_allclose(wm.oracle.run(widened, x), wm.oracle.run(portable, x), rtol=0, atol=1e-14)


def test_the_layers_around_stay() -> None:
    portable = convolution("conv", filters=5)
    lstm = Recurrent(cells=(Cell(kind="lstm", units=1, input_size=2),))
    others = {"d": plain("dense", units=2), "l": lstm, "f": plain("flatten"), "own": Custom(class_name="Theirs")}
    kernel = {"kernel": np.ones((5, 2))}
    cell = CellWeights(kind="lstm", kernel=np.ones((4, 1, 2)), recurrent=np.ones((4, 1, 1)), bias=np.ones((1, 4, 1)))
    spec = chain("m", Input(name="x"), {**portable.spec.layers, **others})
    around = Portable(
        spec=spec, weights={**portable.weights, ("d",): kernel, ("l", "0"): cell, ("own",): {"a": np.ones(1)}}
    )
    widened = with_odd_windows(around)
    assert {n: widened.spec.layers[n] for n in others} == others
    assert widened.weights["d",] is kernel and widened.weights["l", "0"] is cell
    assert widened.spec.layers["layer"] != spec.layers["layer"]


def test_a_record_of_before_stays_before() -> None:
    portable = convolution("conv", filters=5)
    said = with_odd_windows(replace(portable, source=Source(resolved=("before",)))).source.resolved
    assert said == ("before", "layer: zeros added to even windows, which Theano pads at the start")


@pytest.mark.parametrize("stated", [{"strides": (2, 1)}, {"dilation": (1, 3)}])
def test_what_no_odd_window_states_is_refused(stated: dict[str, object], tmp_path: Path) -> None:
    portable = convolution("conv", filters=5, **stated)
    assert with_odd_windows(portable) is portable
    with pytest.raises(Unrepresentable, match="Theano"):
        wm.save(portable, tmp_path / "model.keras", keras=3)
    assert not any(tmp_path.iterdir())
