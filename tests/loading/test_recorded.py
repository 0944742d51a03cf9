"""Files of every Keras generation: what that Keras recorded is what the oracle computes, without any framework."""

from __future__ import annotations

import numpy as np
import pytest
from recorded import BOUND, FILES, Golden, listed

import weight_mapping as wm


def test_the_set_holds_every_generation_and_container() -> None:
    names = " ".join(map(str, FILES))
    for tag in ("k1.2.2_theano_", "k2.0.0_", "k2.2.4_tensorflow_", "k2.2.4_theano_", "tf26_", "tfk221_", "k3151_"):
        assert f"{tag}" in names
    assert {file.file.name.rpartition("_")[2] for file in FILES} >= {"w.h5", "ckpt"}
    assert len(FILES) > 150


@pytest.mark.parametrize("golden", FILES, ids=str)
def test_the_recorded_outputs_come_out(golden: Golden) -> None:
    found = listed(wm.oracle.run(golden.load(), *golden.inputs()))
    for y, expected in zip(found, golden.outputs(), strict=True):
        assert y.dtype == np.float64 and y.shape == expected.shape
        np.testing.assert_allclose(y, expected, rtol=0, atol=BOUND)
