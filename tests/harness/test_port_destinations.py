"""Where each array of a port lies: the keys of the state_dict, held to the numbers themselves."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import weight_mapping as wm
from harness.porting.described import described

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.mark.parametrize("name", ["k2.0.0_tensorflow_bi.h5", "k2.0.0_tensorflow_gru.h5", "k2.0.0_tensorflow_td.h5"])
def test_every_array_has_its_source_and_its_destination(name: str) -> None:
    import weight_mapping.torch as wt
    from harness.backends.ported import destinations

    portable = wm.load(GOLDEN / name)
    kinds, held = destinations(portable)
    state = wt.build(portable).state_dict()
    told = described(portable, kinds, held)
    assert {row["array"] for row in told["weights"]} == portable.arrays().keys()
    for row in told["weights"]:
        keys = row["destination"].split(", ")
        assert keys[0] in state, row
        found = sum(state[key].double().sum() for key in keys)  # a bias that became two adds up to the one
        assert float(found) == pytest.approx(float(np.sum(portable.arrays()[row["array"]], dtype=np.float64)), abs=1e-5)
        called = {"recurrent": "recurrent_kernel"}.get(row["array"].rpartition("/")[2], row["array"].rpartition("/")[2])
        assert re.search(rf"/{called}(_1)?:0$", row["source"]) and "," not in row["source"], (
            "its own name in the file, not those of the whole layer"
        )
    assert sorted(key for row in told["weights"] for key in row["destination"].split(", ")) == sorted(state)
