"""Every pooling class of Keras, from its configuration to what the oracle and PyTorch compute."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import weight_mapping.torch as wt
from weight_mapping import keras_config, oracle
from weight_mapping.weights import Portable


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize(("name", "reduce"), [("Max", np.max), ("Average", np.mean)])
@pytest.mark.parametrize("reach", ["", "Global"])
def test_a_pooling_computes_what_its_name_says(rank: int, name: str, reduce: object, reach: str) -> None:
    side = (4, 6, 2)[:rank]
    config = {
        "class_name": "Sequential",
        "config": {
            "name": "m",
            "layers": [
                {"class_name": "InputLayer", "config": {"name": "x", "batch_shape": [None, *side, 3]}},
                {"class_name": f"{reach}{name}Pooling{rank}D", "config": {"name": "pool"}},
            ],
        },
    }
    portable = Portable(spec=keras_config.parse(config, "3.15.1").spec, weights={})
    x = np.random.default_rng(rank).normal(size=(2, *side, 3))
    if reach:
        expected = reduce(x, axis=tuple(range(1, rank + 1)))  # type: ignore[operator]
    else:
        blocks = x.reshape(2, *(n for size in side for n in (size // 2, 2)), 3)
        expected = reduce(blocks, axis=tuple(range(2, 2 * rank + 1, 2)))  # type: ignore[operator]
    np.testing.assert_allclose(oracle.run(portable, x), expected, rtol=1e-14)
    # A model without weights computes in torch's default, float32: sums of at most 48 numbers below 5.
    found = wt.build(portable)(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(found, expected, rtol=0, atol=48 * 5 * 2.0**-24)
