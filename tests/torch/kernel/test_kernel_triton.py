"""The kernels for CUDA. Where there is a GPU they run on it; where only Triton is, its interpreter runs them, and the
compiler translates them for GPUs all the same."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from kernel_rows import ALL, UNIT, grid, near
from portables import CELLS, cell_weights, layer_weights
from torch import Tensor

import weight_mapping.torch as wt
from weight_mapping.spec import Recurrent
from weight_mapping.torch import kernel
from weight_mapping.torch.cells import KERAS
from weight_mapping.torch.fused import Fused, Stored, zeros
from weight_mapping.torch.kernel import library
from weight_mapping.torch.kernel.gpu import graphs
from weight_mapping.torch.steps import project, scan, stepper

needs_triton = pytest.mark.skipif(not importlib.util.find_spec("triton"), reason="Triton is not installed")
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch sees no CUDA device")
DTYPES = {"float": torch.float32, "double": torch.float64}
KINDS = {"lstm": "lstm hard_sigmoid 1/5", "gru_after": "gru softsign", "gru_before": "gru before", "rnn": "rnn selu"}
SIZES = [(3, 17, 4, 37), (4, 2, 8, 5), (2, 0, 3, 4), (1, 1, 1, 1)]
"""Steps, batch, input, units: below, at and beyond a tile."""


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> str:
    """Where the kernels run: without a GPU the operators call them, interpreted, on the CPU's tensors."""
    if torch.cuda.is_available():
        return "cuda"
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    running = importlib.import_module("weight_mapping.torch.kernel.gpu.running")
    monkeypatch.setattr(library, "call", running.call)
    return "cpu"


@needs_triton
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # the interpreter computes with NumPy
@pytest.mark.parametrize("dtype", UNIT)
@pytest.mark.parametrize("name", ALL)
def test_every_row_as_in_numpy(name: str, dtype: str, device: str) -> None:
    functions = importlib.import_module("weight_mapping.torch.kernel.gpu.functions")
    applied = importlib.import_module("kernel_in_triton").applied
    of, x, found = ALL[name], np.resize(grid(dtype), 2**13), {}
    for what, function in functions.compiled(of)._asdict().items():
        values = torch.from_numpy(x.copy()).to(device)
        applied[1,](values, function, len(x), enable_fp_fusion=True)
        found[what] = values.cpu().numpy()
    assert near(found["value"], of.function, x, dtype).all()
    assert near(found["slope"], of.derivative, x, dtype).all()


@needs_triton
@pytest.mark.parametrize("masked", [True, False], ids=["masked", "all steps"])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", [*KINDS.values(), "gru no bias"])
def test_any_size_as_the_plain_steps(
    name: str, dtype: str, sizes: tuple[int, int, int, int], masked: bool, device: str
) -> None:
    """Forward with and without a backward run to follow, and back; on a GPU three times, the last two from graphs."""
    steps, batch, width, units = sizes
    cell = replace(CELLS[name], units=units)
    weights = cell_weights(cell, width, np.random.default_rng(1))
    scaled = replace(weights, recurrent=weights.recurrent / max(1, units / 8) ** 0.5)
    module = KERAS[cell.kind](cell, scaled, DTYPES[dtype]).to(device)
    # The bound of the C++ cells, whose sums are as long.
    bound = (8 * (width + units + steps * batch) ** 0.5 + 24) * UNIT[dtype] * 2 * steps
    for seed in range(3 if device == "cuda" else 1):
        torch.manual_seed(seed)
        x = torch.randn(steps, batch, width, dtype=DTYPES[dtype], device=device, requires_grad=True)
        states = [torch.randn_like(x[0, :, :1].expand(batch, units)).requires_grad_() for _ in cell.states]
        mask = torch.rand(steps, batch, device=device) > 0.3 if masked else None
        inputs = [x, *states, *module.parameters()]
        p = Fused(cell, module)
        products = project(x, p.weight_ih, p.bias_ih, None)
        step = stepper(cell, p.weight_hh, p.bias_hh, None)
        expected = results(*scan(step, products, states or zeros(cell, products), mask), inputs)
        found = results(*kernel.run(kernel.words_of(cell), Stored(cell, module), x, states, mask), inputs)
        with torch.no_grad():
            alone, last = kernel.run(kernel.words_of(cell), Stored(cell, module), x, states, mask)
        for a, b in zip([*found, alone, *last], [*expected, *expected[: 1 + len(last)]], strict=True):
            assert a.shape == b.shape
            largest = float(b.detach().abs().max()) if b.numel() else 0.0
            assert bool(((a - b).detach().abs() <= bound * max(1.0, largest)).all())


def results(y: Tensor, last: list[Tensor], inputs: list[Tensor]) -> list[Tensor]:
    """The outputs, and every gradient of a weighing of them by numbers that all differ."""
    outputs = [y, *last]
    weighing = [torch.linspace(-1, 2, o.numel(), dtype=o.dtype, device=o.device).reshape(o.shape) for o in outputs]
    loss = torch.stack([(o * w).sum() for o, w in zip(outputs, weighing, strict=True)]).sum()
    return [*outputs, *torch.autograd.grad(loss, inputs)]


@needs_triton
@pytest.mark.parametrize("capability", [80, 90])
def test_the_kernels_compile_for_a_gpu(capability: int) -> None:
    """Every kernel that a check launches, both dtypes, down to machine code."""
    command = [sys.executable, "-m", "kernel_in_triton", str(capability)]
    told = subprocess.run(command, cwd=__file__.rpartition("/")[0], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    two = ("_step", "_step_back")
    cells = {"lstm": two, "gru_after": two, "rnn": two}
    cells["gru_before"] = ("_gates", "_candidate", "_candidate_back", "_reset_back")
    dtypes = ("float32", "float64")
    expected = {f"{cell}.{step}.{dtype}" for cell, steps in cells.items() for step in steps for dtype in dtypes}
    assert {*told.stdout.split()} == expected


@needs_gpu
@pytest.mark.parametrize("name", KINDS.values())
def test_a_module_on_a_gpu_is_the_same_as_on_the_cpu(name: str) -> None:
    standing = kernel.standing("cuda")
    assert standing.runs, standing.why
    layer = Recurrent(cells=(CELLS[name],), return_sequences=True)
    module = wt.build_layer(layer, layer_weights(layer, 4), dtype=torch.float64)
    x = torch.randn(3, 10, 4, dtype=torch.float64)
    expected = module(x)[0].detach()
    module.cuda()
    for _ in range(3):
        assert torch.allclose(module(x.cuda())[0].cpu(), expected, rtol=1e-12, atol=1e-12)


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Graphs without a GPU: what was recorded is done again, on the graph's own tensors. Lists what was played."""
    found: list[str] = []

    def recorded(what: graphs.Run, tensors: dict[str, Tensor]) -> graphs.Recorded:
        own = {name: t.clone() for name, t in tensors.items()}
        return own, SimpleNamespace(replay=lambda: (found.append("played"), what(own)))

    monkeypatch.setattr(torch.cuda, "current_stream", lambda: SimpleNamespace(device="cuda:0", cuda_stream=0))
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: False)
    monkeypatch.setattr(graphs, "memory", graphs.Memory())
    monkeypatch.setattr(graphs, "_recorded", recorded)
    return found


def sums(tensors: Any) -> None:
    tensors["y"].copy_(2 * tensors["x"] + tensors["d_h"])
    tensors["d_h"] += tensors["x"]


def called(n: int, size: int = 3) -> None:
    """A run on new tensors, which must then hold what it computes; what it only reads must be as it was."""
    x, y, d_h = torch.full((size,), float(n)), torch.zeros(size), torch.full((size,), 10.0 * n)
    graphs.run(sums, "sums", {"x": x, "y": y, "d_h": d_h}, ["y", "d_h"])
    assert bool((x == n).all() and (y == 12 * n).all() and (d_h == 11 * n).all())


def test_a_graph_is_played_from_the_second_call_on_the_tensors_of_each(played: list[str]) -> None:
    for n in range(4):
        called(n)
    assert len(played) == 3
    called(5, size=7)  # another shape is another graph
    assert len(played) == 3


def test_few_graphs_are_kept(played: list[str]) -> None:
    for size in range(1, graphs.MOST + 2):
        called(1, size)
    assert len(graphs.memory.graphs) == graphs.MOST
    called(1, 1)
    assert played == []  # the first was forgotten, and is seen for the first time again
    called(1, 1)
    assert played == ["played"]


def test_what_cannot_be_recorded_runs_and_says_why(monkeypatch: pytest.MonkeyPatch, played: list[str]) -> None:
    def broken(_what: object, _tensors: object) -> None:
        graphs.memory.obstacle = "no CUDA graph: operation not permitted"

    monkeypatch.setattr(graphs, "_recorded", broken)
    for n in range(3):
        called(n)
    assert played == [] and "not permitted" in kernel.DEVICES["cuda"]()


@pytest.mark.skipif(torch.cuda.is_available(), reason="here CUDA graphs can be recorded")
def test_without_cuda_a_recording_fails_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphs, "memory", graphs.Memory())
    assert graphs._recorded(sums, {name: torch.ones(2) for name in ("x", "y", "d_h")}) is None
    assert graphs.memory.obstacle and graphs.memory.obstacle.startswith("no CUDA graph: ")
