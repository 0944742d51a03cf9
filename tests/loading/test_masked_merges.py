"""What the two Keras do otherwise with masks, by the outputs of each: merges of masked inputs, and layers that end a
mask in the one and hand it on in the other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from keras_models import drawn
from test_keras_models import FRAMEWORKS, close, framework, listed, predicted

import weight_mapping as wm
import weight_mapping.torch as wt
from weight_mapping.errors import Unrepresentable
from weight_mapping.spec import ModelSpec, Plain

# Keras 3 warns of masks that end.
pytestmark = pytest.mark.filterwarnings("ignore")
MERGES = ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate")


def _model(K: Any) -> Any:
    a, b = K.Input((9,)), K.Input((9,))
    x, y = (K.layers.Embedding(11, 4, mask_zero=True)(ids) for ids in (a, b))
    open_to_all = K.layers.Conv1D(4, 3, padding="same")(y)
    merged = [getattr(K.layers, name)()(pair) for name in MERGES for pair in ([x, y], [open_to_all, x])]
    merged.append(K.layers.Maximum()([x, open_to_all, y]))
    merged += [layer(x) for layer in (K.layers.Rescaling(2.0, 0.5), K.layers.Identity())]
    merged.append(K.layers.Normalization(mean=0.3, variance=2.0)(x))
    merged.append(K.layers.EinsumDense("abc,cd->abd", output_shape=(None, 3))(x))
    return K.Model([a, b], [K.layers.LSTM(2)(one) for one in merged] + merged[4:6])


def _otherwise(spec: ModelSpec) -> ModelSpec:
    """Every option about masks turned round."""
    layers = {
        name: replace(one, options={k: not v if k in ("any_mask", "ends_mask") else v for k, v in one.options.items()})
        if isinstance(one, Plain)
        else one
        for name, one in spec.layers.items()
    }
    return replace(spec, layers=layers)


@pytest.mark.parametrize("generation", FRAMEWORKS)
def test_masks_go_through_merges_as_in_the_keras_that_wrote_them(generation: int, tmp_path: Path) -> None:
    K = framework(generation)
    model = drawn(_model(K))
    rng = np.random.default_rng(2)
    ids = [(rng.integers(1, 11, (5, 9)) * (rng.random((5, 9)) > 0.4)).astype(np.float32) for _ in range(2)]
    expected = predicted(model, ids)
    model.save(tmp_path / "model.h5")
    K.backend.clear_session()
    portable = wm.load(tmp_path / "model.h5")
    close(listed(wm.oracle.run(portable, *ids)), expected)
    with torch.no_grad():
        close(listed(wt.build(portable).eval()(*map(torch.tensor, ids))), expected)
    other = listed(wm.oracle.run(replace(portable, spec=_otherwise(portable.spec)), *ids))
    assert max(np.abs(y - wanted).max() for y, wanted in zip(other, expected, strict=True)) > 0.05
    wm.save(portable, tmp_path / "again.keras")
    close(listed(wm.oracle.run(wm.load(tmp_path / "again.keras"), *ids)), expected)
    with pytest.raises(Unrepresentable, match=r"a mask that reaches this layer|as a node of a Keras 2 model"):
        wm.save(portable, tmp_path / "other.keras", keras=5 - generation)


@pytest.mark.parametrize("generation", FRAMEWORKS)
def test_a_mask_that_is_an_input(generation: int, tmp_path: Path) -> None:
    """Given as booleans, as Keras takes it, or as numbers."""
    K = framework(generation)
    x, mask = K.Input((7, 3)), K.Input((7,), dtype="bool")
    seen = [K.layers.LSTM(4, return_sequences=True)(x, mask=mask), K.layers.GlobalAveragePooling1D()(x, mask=mask)]
    model = drawn(K.Model([x, mask], seen))
    rng = np.random.default_rng(4)
    steps, shown = rng.standard_normal((5, 7, 3)).astype(np.float32), rng.random((5, 7)) > 0.4
    shown[:, 0] = True
    expected = [np.asarray(y) for y in model([steps, shown], training=False)]
    model.save(tmp_path / "model.h5")
    K.backend.clear_session()
    portable = wm.load(tmp_path / "model.h5")
    module = wt.build(portable).eval()
    for given in (shown, shown.astype(np.float32)):
        close(listed(wm.oracle.run(portable, steps, given)), expected)
        with torch.no_grad():
            close(listed(module(torch.tensor(steps), torch.tensor(given))), expected)
