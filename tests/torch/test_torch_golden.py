"""Files of every Keras generation as PyTorch modules: the outputs that the Keras of the time recorded beside them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import weight_mapping as wm
import weight_mapping.torch as wt

SUFFIXES = (".h5", ".keras", "_sm")
"""Full models: what holds a configuration."""
TAGS = ("k1.2.2_theano", "k2.0.0_tensorflow", "k2.2.4_tensorflow", "tf26", "tfk221", "k3151", "conv/")


@pytest.mark.parametrize("tag", TAGS)
def test_golden_files_give_the_recorded_outputs_and_come_back(tag: str, shared: Callable[[str], Path]) -> None:
    recordings = sorted(shared("golden").glob(f"{tag}*.npz"))
    files = [(npz, npz.with_name(npz.stem + suffix)) for npz in recordings for suffix in SUFFIXES]
    there = [(npz, file) for npz, file in files if file.exists()]
    assert there
    for npz, file in there:
        portable = wm.load(file)
        module = wt.build(portable)
        with np.load(npz) as recorded:
            inputs = [torch.tensor(recorded[name]) for name in sorted(recorded) if name.startswith("x")]
            outputs = [recorded[name] for name in sorted(recorded) if name.startswith("y")]
        with torch.no_grad():
            found = module(*inputs)
        for y, expected in zip(found if isinstance(found, tuple) else (found,), outputs, strict=True):
            # float32 on both sides: every tanh and sigmoid of TensorFlow is off by up to 6 ulp
            assert float(np.abs(y.numpy() - expected).max()) < 1e-5, file.name
        assert wt.extract(module).fingerprints() == portable.fingerprints(), file.name
