"""The operators: any size and number of threads as the plain steps, gradients as differences, and what torch asks of an
operator."""

from __future__ import annotations

import copy
import io
import multiprocessing
import pickle
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from portables import CELLS, cell_weights, layer_weights
from torch.autograd import forward_ad
from torch.utils._python_dispatch import TorchDispatchMode

import weight_mapping.torch as wt
from weight_mapping.errors import PortingError, Unsupported
from weight_mapping.spec import Recurrent
from weight_mapping.torch import kernel
from weight_mapping.torch.cells import KERAS
from weight_mapping.torch.fused import Fused, Stored, zeros
from weight_mapping.torch.kernel import direct, library
from weight_mapping.torch.kernel.operators import recurrence
from weight_mapping.torch.kernel.words import words_of
from weight_mapping.torch.steps import project, scan, stepper

pytestmark = pytest.mark.skipif(not kernel.standing().runs, reason=f"no compiled cells: {kernel.standing().why}")
KINDS = {"lstm": "lstm hard_sigmoid 1/5", "gru_after": "gru softsign", "gru_before": "gru before", "rnn": "rnn selu"}
ROUNDING = {torch.float32: 2.0**-24, torch.float64: 2.0**-53}
SIZES = [
    (1, 1, 1, 1), (10, 3, 4, 5), (12, 1, 3, 16), (5, 13, 7, 37), (4, 2, 8, 64), (6, 33, 9, 130), (3, 64, 8, 40),
    (11, 7, 7, 7), (2, 0, 3, 4), (2, 1, 70, 40), (3, 2, 130, 37), (4, 2, 8, 130),
]  # fmt: skip
"""Steps, batch, input, units: below, at and beyond a register, a tile, a group of panels, and a thread's share; of the
last three, too few rows for both matrices, for the input's or for the recurrent one to be packed."""


def arguments(kind: str, sizes: tuple[int, int, int], dtype: torch.dtype, *, masked: bool = True) -> tuple[Any, ...]:
    """What `recurrence` takes: every tensor random, a third of the steps masked."""
    steps, batch, units = sizes
    draw = torch.Generator().manual_seed(3)
    rows = {"lstm": 4, "rnn": 1}.get(kind, 3) * units

    def drawn(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, dtype=dtype, generator=draw).requires_grad_()

    weights = drawn(rows, 4), drawn(rows), drawn(rows, units), drawn(rows) if kind == "gru_after" else None
    c = drawn(batch, units) if kind == "lstm" else None
    mask = torch.rand(steps, batch, generator=draw) > 0.3 if masked else None
    return drawn(steps, batch, 4), *weights, drawn(batch, units), c, mask, *words_of(CELLS[KINDS[kind]]), True


def results(run: Any, inputs: list[torch.Tensor]) -> list[torch.Tensor]:
    """Outputs with and without a backward run to follow, and every gradient of a random weighing."""
    with torch.no_grad():
        alone = run()
    y, last = run()
    draw = torch.Generator().manual_seed(5)
    outputs = [y, *last]
    loss = torch.stack([(o * torch.randn(o.shape, dtype=o.dtype, generator=draw)).sum() for o in outputs]).sum()
    return [*outputs, alone[0], *alone[1], *torch.autograd.grad(loss, inputs)]


@pytest.mark.parametrize("masked", [True, False], ids=["masked", "all steps"])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("dtype", ROUNDING, ids=str)
@pytest.mark.parametrize("name", [*KINDS.values(), "gru no bias"])
def test_any_size_as_the_plain_steps(
    name: str, dtype: torch.dtype, sizes: tuple[int, int, int, int], masked: bool
) -> None:
    """On one thread, two, and five: more than many machines have cores, and they must end all the same."""
    steps, batch, width, units = sizes
    cell = replace(CELLS[name], units=units)
    weights = cell_weights(cell, width, np.random.default_rng(1))
    module = KERAS[cell.kind](cell, replace(weights, recurrent=weights.recurrent / max(1, units / 8) ** 0.5), dtype)
    x = torch.randn(steps, batch, width, dtype=dtype, requires_grad=True)
    states = [torch.randn(batch, units, dtype=dtype, requires_grad=True) for _ in cell.states]
    mask = torch.rand(steps, batch) > 0.3 if masked else None

    def plain() -> Any:
        p = Fused(cell, module)
        products = project(x, p.weight_ih, p.bias_ih, None)
        return scan(stepper(cell, p.weight_hh, p.bias_hh, None), products, states or zeros(cell, products), mask)

    inputs = [x, *states, *module.parameters()]
    expected = results(plain, inputs)
    # Each adds up at most width + units numbers a gate and step, or steps times batch; both ways amplify little.
    bound = (8 * (width + units + steps * batch) ** 0.5 + 24) * ROUNDING[dtype] * 2 * steps
    for threads in (2, 5, 1):
        torch.set_num_threads(threads)
        found = results(lambda: kernel.run(kernel.words_of(cell), Stored(cell, module), x, states, mask), inputs)
        for n, (a, b) in enumerate(zip(found, expected, strict=True)):
            assert a.shape == b.shape
            largest = float(b.detach().abs().max()) if b.numel() else 0.0
            assert bool(((a - b).detach().abs() <= bound * max(1.0, largest)).all()), (n, threads)


@pytest.mark.parametrize("masked", [True, False], ids=["masked", "all steps"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("run", [recurrence, direct.recurrence], ids=["operator", "direct"])
def test_gradients_are_those_of_differences(run: Any, kind: str, masked: bool) -> None:
    given = arguments(kind, (4, 3, 5), torch.float64, masked=masked)
    tensors = [n for n, value in enumerate(given) if isinstance(value, torch.Tensor) and value.requires_grad]

    def outputs(*moved: torch.Tensor) -> tuple[torch.Tensor, ...]:
        values = list(given)
        for n, value in zip(tensors, moved, strict=True):
            values[n] = value
        return run(*values)[: 2 if kind == "lstm" else 1]  # type: ignore[no-any-return]

    assert torch.autograd.gradcheck(outputs, [given[n] for n in tensors])


@pytest.mark.parametrize("dtype", ROUNDING, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_what_torch_asks_of_an_operator(kind: str, dtype: torch.dtype) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch's own, at the import of its compiler
        found = torch.library.opcheck(recurrence, arguments(kind, (3, 2, 5), dtype))
    assert set(found.values()) == {"SUCCESS"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_graph_holds_the_operator(kind: str) -> None:
    layer = Recurrent(cells=(CELLS[KINDS[kind]],), return_sequences=True, return_state=True)
    module = wt.build_layer(layer, layer_weights(layer, 4), dtype=torch.float64)
    x = torch.randn(3, 10, 4, dtype=torch.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        exported = torch.export.export(module, (x,))
        compiled = torch.compile(module, fullgraph=True, backend="aot_eager")(x)
    assert any("lstm_parity.recurrence" in str(node.target) for node in exported.graph.nodes)
    for ours, graph, again in zip(module(x), exported.module()(x), compiled, strict=True):
        assert torch.equal(ours, graph) and torch.equal(ours, again)


def test_graphs_of_any_batch_and_time() -> None:
    """One graph for all sizes, exported or compiled, and its gradients."""
    layer = Recurrent(cells=(CELLS["lstm hard_sigmoid 1/5"],), return_sequences=True)
    module = wt.build_layer(layer, layer_weights(layer, 4), dtype=torch.float64)
    sizes = {0: torch.export.Dim("batch", min=1, max=64), 1: torch.export.Dim("time", min=1, max=64)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        exported = torch.export.export(module, (torch.randn(3, 10, 4).double(),), dynamic_shapes=(sizes,)).module()
        compiled = torch.compile(module, fullgraph=True, dynamic=True, backend="aot_eager")
        for batch, steps in ((3, 10), (5, 7), (2, 12)):
            x = torch.randn(batch, steps, 4, dtype=torch.float64, requires_grad=True)
            (expected,) = module(x)
            gradients = torch.autograd.grad(expected.sum(), [x, *module.parameters()])
            (found,) = compiled(x)
            assert torch.equal(exported(x)[0], expected) and torch.equal(found, expected)
            found = torch.autograd.grad(found.sum(), [x, *module.parameters()])
            assert all(torch.equal(a, b) for a, b in zip(found, gradients, strict=True))


def test_copies_and_files_of_a_module_compute_the_same() -> None:
    layer = Recurrent(cells=(CELLS["gru before"],), return_sequences=True)
    module = wt.build_layer(layer, layer_weights(layer, 4), dtype=torch.float64)
    x, file = torch.randn(3, 10, 4, dtype=torch.float64), io.BytesIO()
    expected = module(x)[0]
    torch.save(module, file)
    file.seek(0)
    for again in (copy.deepcopy(module), pickle.loads(pickle.dumps(module)), torch.load(file, weights_only=False)):
        assert torch.equal(again(x)[0], expected)


def _large() -> tuple[torch.nn.Module, torch.Tensor]:
    """A layer and an input that are work for a team of threads."""
    layer = Recurrent(cells=(replace(CELLS["lstm hard_sigmoid 1/5"], units=64),), return_sequences=True)
    return wt.build_layer(layer, layer_weights(layer, 4), dtype=torch.float32), torch.randn(8, 20, 4)


def test_threads_that_call_at_once_and_changing_teams() -> None:
    module, x = _large()
    torch.set_num_threads(2)
    expected, found = module(x)[0].detach().numpy(), []
    with ThreadPoolExecutor(4) as pool:
        found += pool.map(lambda _: module(x)[0].detach().numpy(), range(40))
    for threads in (3, 1, 2):
        torch.set_num_threads(threads)
        found.append(module(x)[0].detach().numpy())
    torch.set_num_threads(1)
    assert all(np.array_equal(one, expected) for one in found)


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="this system can't fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_does_not_wait_for_its_parents_threads() -> None:
    """As in a worker of a DataLoader, once the parent's team has started: its threads aren't in the child."""
    module, x = _large()
    torch.set_num_threads(2)
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    with torch.inference_mode():
        expected = module(x)[0].numpy()
        child = context.Process(target=lambda: theirs.send(module(x)[0].numpy()), daemon=True)
        child.start()
        told = ours.poll(60)
        found = ours.recv() if told else None
    child.kill()
    child.join()
    torch.set_num_threads(1)
    assert told and np.array_equal(found, expected)


class Seen(TorchDispatchMode):
    """The operators that were called."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.append(str(func))
        return func(*args, **kwargs or {})


@pytest.mark.parametrize("gradient", [True, False], ids=["gradient", "alone"])
def test_who_follows_the_operators_sees_this_one(gradient: bool) -> None:
    """A mode, a trace, a tensor of another class; without them the way is shorter, and the numbers are the same."""
    layer = Recurrent(cells=(CELLS["lstm hard_sigmoid 1/5"],), return_sequences=True)
    module, x = wt.build_layer(layer, layer_weights(layer, 4), dtype=torch.float32), torch.randn(3, 10, 4)

    def called(x: torch.Tensor) -> torch.Tensor:
        with torch.set_grad_enabled(gradient):
            y: torch.Tensor = module(x)[0]
        if gradient:
            module.zero_grad()
            y.square().sum().backward()  # type: ignore[no-untyped-call]
        return y

    expected = called(x)
    gradients = [p.grad for p in module.parameters()]
    with Seen() as seen:
        assert torch.equal(called(x), expected)
    own = [name for name in seen.names if "lstm_parity" in name]
    assert own == [f"lstm_parity.{n}.default" for n in ("recurrence", "recurrence_backward")[: 1 + gradient]]
    assert all(p.grad is a or torch.equal(p.grad, a) for p, a in zip(module.parameters(), gradients, strict=True))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own: that its tracer is old, and may freeze what Python decides
        traced = torch.jit.trace(module, x, strict=False, check_trace=False)
    assert "lstm_parity::recurrence" in str(traced.graph)
    assert torch.equal(traced(2 * x)[0], module(2 * x)[0])


@pytest.mark.parametrize("run", [recurrence, direct.recurrence], ids=["operator", "direct"])
def test_a_second_derivative_is_refused(run: Any) -> None:
    given = arguments("lstm", (3, 2, 5), torch.float64)
    (slope,) = torch.autograd.grad(run(*given)[0].sum(), given[0], create_graph=True)
    with pytest.raises(Unsupported, match="second derivative"):
        slope.sum().backward()


def test_transforms_and_autocast_go_through_the_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = Recurrent(cells=(CELLS["gru before"],))
    module = wt.build_layer(layer, layer_weights(layer, 4), dtype=torch.float32)
    x = torch.randn(3, 10, 4)
    expected = torch.func.vmap(lambda one: module(one[None])[0])(x)
    assert torch.allclose(expected[:, 0], module(x)[0], atol=1e-5)
    with warnings.catch_warnings(), forward_ad.dual_level():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch's own, at the import of its forward derivatives
        made = forward_ad.unpack_dual(module(forward_ad.make_dual(x, torch.ones_like(x)))[0]).tangent
    slopes = torch.func.jvp(lambda x: module(x)[0], (x,), (torch.ones_like(x),))[1]
    assert torch.allclose(made, slopes, atol=1e-5) and bool(made.any())
    monkeypatch.setattr(library, "call", None)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.isfinite(module(x)[0]).all()


def test_inputs_of_any_layout() -> None:
    """Transposed, expanded and reversed views give what their copies give."""
    given = list(arguments("lstm", (4, 3, 5), torch.float64))
    expected = recurrence(*given)
    given[0] = given[0].detach().permute(2, 1, 0).contiguous().permute(2, 1, 0)
    given[3] = given[3].detach().t().contiguous().t()
    given[7] = given[7].t().contiguous().t()
    assert all(torch.equal(a, b) for a, b in zip(recurrence(*given), expected, strict=True))
    given[0] = given[0].transpose(0, 1).contiguous().transpose(0, 1)  # as batch_first hands it on
    assert all(torch.equal(a, b) for a, b in zip(recurrence(*given), expected, strict=True))


@pytest.mark.parametrize("n", [0, 1, 2, 3, 5, 6, 7])
@pytest.mark.parametrize("wrong", ["size", "dtype"])
def test_what_does_not_fit_is_refused(n: int, wrong: str) -> None:
    given = list(arguments("lstm", (4, 3, 5), torch.float64))
    given[n] = given[n][..., :-1] if wrong == "size" else given[n].float()
    with pytest.raises(PortingError, match="doesn't fit the recurrence"):
        recurrence(*given)


def test_a_recurrent_bias_that_does_not_fit_is_refused() -> None:
    given = list(arguments("gru_after", (4, 3, 5), torch.float64))
    given[4] = given[4][:-1]
    with pytest.raises(PortingError, match="bias_hh doesn't fit"):
        recurrence(*given)
