"""A mask that a TimeDistributed's own layer makes goes on in Keras 2 and not in Keras 3: written where it is kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import weight_mapping as wm
from weight_mapping.errors import Unrepresentable
from weight_mapping.plain import plain
from weight_mapping.spec import Cell, Input, Recurrent, TimeDistributed, chain
from weight_mapping.weights import CellWeights, Portable

RNG = np.random.default_rng(5)


def _letters(inner_mask: bool) -> Portable:
    """Words of letters: an embedding with mask_zero and an LSTM, both on each word."""
    embedding = plain("embedding", input_dim=9, output_dim=4, mask_zero=True)
    cell = Cell(kind="lstm", units=3, input_size=4)
    layers = {
        "letters": TimeDistributed(layer=embedding, inner_mask=inner_mask),
        "words": TimeDistributed(layer=Recurrent(cells=(cell,)), inner_mask=inner_mask),
    }
    weights = CellWeights(
        kind="lstm",
        kernel=RNG.normal(size=(4, 3, 4)),
        recurrent=RNG.normal(size=(4, 3, 3)),
        bias=RNG.normal(size=(1, 4, 3)),
    )
    table = {"embeddings": RNG.normal(size=(9, 4))}
    spec = chain("m", Input(name="x", shape=(None, 5, 7)), layers)
    return Portable(spec=spec, weights={("letters", "layer"): table, ("words", "layer", "0"): weights})


@pytest.mark.parametrize(("inner_mask", "kept"), [(True, 2), (False, 3)])
def test_it_goes_to_the_keras_that_treats_it_so_and_no_other(tmp_path: Path, inner_mask: bool, kept: int) -> None:
    portable = _letters(inner_mask)
    wm.save(portable, tmp_path / "m.h5")
    x = RNG.integers(0, 9, (2, 5, 7)) * (RNG.random((2, 5, 7)) > 0.4)
    again = wm.oracle.run(wm.load(tmp_path / "m.h5"), x)
    expected = wm.oracle.run(portable, x)
    np.testing.assert_allclose(again, expected, rtol=0, atol=1e-12)
    assert np.abs(wm.oracle.run(_other(portable), x) - expected).max() > 1e-2
    wm.save(portable, tmp_path / "same.keras", keras=kept)
    with pytest.raises(Unrepresentable, match="the mask that its layer makes"):
        wm.save(portable, tmp_path / "other.keras", keras=5 - kept)


def _other(portable: Portable) -> Portable:
    layers = {
        name: replace(one, inner_mask=not one.inner_mask)
        for name, one in portable.spec.layers.items()
        if isinstance(one, TimeDistributed)
    }
    return replace(portable, spec=replace(portable.spec, layers=layers))
