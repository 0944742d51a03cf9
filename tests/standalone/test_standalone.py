"""A port as one file of plain PyTorch: run by a Python that knows nothing of ours, it answers as the oracle does."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from graph_models import GRAPHS
from numpy.typing import NDArray
from recurrent_models import RECURRENT

from harness.porting.proving import prove
from weight_mapping.probe import probe
from weight_mapping.torch.standalone import save_standalone
from weight_mapping.weights import Portable

MODELS: Mapping[str, Callable[[], Portable]] = {**RECURRENT, **GRAPHS}
STEPS = 11
"""Of an input whose length is open; the file was written from a run of another length."""
_ALONE = """
import importlib.util, os, sys, traceback
for ours in ("weight_mapping", "harness", "reports"):
    sys.modules[ours] = None
import numpy, torch
torch.set_num_threads(1)
for folder in sorted(os.scandir(sys.argv[1]), key=lambda entry: entry.name):
    try:
        found = importlib.util.spec_from_file_location("model_" + folder.name, folder.path + "/model.py")
        module = importlib.util.module_from_spec(found)
        found.loader.exec_module(module)
        with numpy.load(folder.path + "/inputs.npz") as kept:
            inputs = [kept[name] for name in kept.files]
        answers = {}
        for dtype in ("float64", "float32"):
            net = module.load(dtype=getattr(torch, dtype))
            for run in ("first", "second"):
                with torch.no_grad():
                    y = net(*(torch.from_numpy(x.astype(dtype)) for x in inputs))
                for n, one in enumerate(y if isinstance(y, tuple) else (y,)):
                    answers[f"{run} {dtype} {n:02}"] = one.numpy()
        numpy.savez(folder.path + "/answers.npz", **answers)
    except Exception:
        open(folder.path + "/failed.txt", "w").write(traceback.format_exc())
loaded = {name.partition(".")[0] for name in sys.modules if sys.modules[name] is not None}
assert not loaded & {"weight_mapping", "harness", "reports", "tensorflow", "keras"}, loaded
"""
Answers = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Ran:
    """A model with its inputs' open sizes settled, and what its written file answered."""

    portable: Portable
    answers: Answers

    def outputs(self, run: str, dtype: str) -> list[NDArray[Any]]:
        return [y for name, y in sorted(self.answers.items()) if name.startswith(f"{run} {dtype}")]


def settled(portable: Portable) -> Portable:
    """The same model, each open axis behind the batch of a size that the writing did not see."""
    inputs = []
    for one in portable.spec.inputs:
        assert one.shape is not None
        opened = [n for n, size in enumerate(one.shape) if n and size is None]
        sizes = [STEPS if n in opened[:1] else 5 if size is None and n else size for n, size in enumerate(one.shape)]
        inputs.append(replace(one, shape=tuple(sizes)))
    return replace(portable, spec=replace(portable.spec, inputs=tuple(inputs)))


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Ran]]:
    """Every model written, and all of the files run by one fresh process."""
    root = tmp_path_factory.mktemp("standalone")
    portables = {name: build() for name, build in MODELS.items()}
    folders = {name: root / f"{n:04}" for n, name in enumerate(portables)}
    for name, portable in portables.items():
        folders[name].mkdir()
        save_standalone(portable, folders[name])
        np.savez(folders[name] / "inputs.npz", *probe(settled(portable).spec))
    alone = subprocess.run(
        [sys.executable, "-I", "-W", "error", "-c", _ALONE, str(root)], capture_output=True, text=True, check=False
    )
    assert alone.returncode == 0, alone.stderr

    def of(name: str) -> Ran:
        failed = folders[name] / "failed.txt"
        assert not failed.exists(), failed.read_text()
        with np.load(folders[name] / "answers.npz") as answers:
            return Ran(settled(portables[name]), dict(answers))

    yield of


@pytest.mark.parametrize("name", MODELS)
def test_the_written_file_answers_as_the_oracle(ran: Callable[[str], Ran], name: str) -> None:
    found = ran(name)
    case = prove(found.portable, lambda _, __, dtype: found.outputs("first", dtype))
    assert len(case.agreements) == 2
    for a in case.agreements:
        assert a.verdict == "holds", f"{a.check}: {a.error} of {a.bound} at {a.where}"


def test_a_stateful_layer_goes_on_where_the_last_batch_ended(ran: Callable[[str], Ran]) -> None:
    """And every other model answers a second time as it did the first."""
    for name in MODELS:
        found = ran(name)
        again = zip(found.outputs("first", "float64"), found.outputs("second", "float64"), strict=True)
        same = all(np.array_equal(a, b) for a, b in again)
        assert same != ("stateful" in name), name


def test_a_wrong_number_is_seen(ran: Callable[[str], Ran]) -> None:
    """The bounds can fail: one weight off by a ten thousandth."""
    for name in ("lstm/default@different", "plain conv 2", "tagger"):
        found = ran(name)
        path, weights = next(iter(found.portable.weights.items()))
        array = "kernel" if hasattr(weights, "kernel") else next(iter(weights))  # type: ignore[arg-type]
        moved: Any = getattr(weights, array) if hasattr(weights, "kernel") else weights[array]  # type: ignore[index]
        moved = np.array(moved)
        moved.flat[-1] *= 1 + 1e-4
        changed: Any = replace(weights, kernel=moved) if hasattr(weights, "kernel") else {**weights, array: moved}  # type: ignore[type-var, dict-item]
        wrong = replace(found.portable, weights={**found.portable.weights, path: changed})
        case = prove(wrong, lambda _, __, dtype, found=found: found.outputs("first", dtype))  # type: ignore[misc]
        assert case.agreements[0].verdict == "fails", name
