"""Files of every Keras generation: to PyTorch and back nothing is lost, and the outputs there are the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from recorded import BOUND, FILES, Golden, listed

import weight_mapping as wm
import weight_mapping.torch as wt


@pytest.mark.parametrize("golden", FILES, ids=str)
def test_the_recorded_outputs_come_out_and_the_way_back_is_exact(golden: Golden, tmp_path: Path) -> None:
    portable, inputs, recorded = golden.load(), golden.inputs(), golden.outputs()
    module = wt.build(portable).eval()
    tensors = [torch.tensor(x) for x in inputs]
    with torch.no_grad():
        found = listed(module(*tensors))
    for y, expected in zip(found, recorded, strict=True):
        np.testing.assert_allclose(y.numpy(), expected, rtol=0, atol=BOUND)

    wm.save(wt.extract(module), tmp_path / "b.h5")
    again = wt.build(wm.load(tmp_path / "b.h5")).eval()
    before, after = module.state_dict(), again.state_dict()
    assert list(before) == list(after)
    assert all(torch.equal(before[key], after[key]) for key in before)
    with torch.no_grad():
        repeated = listed(again(*tensors))
    assert all(torch.equal(a, b) for a, b in zip(repeated, found, strict=True))
