"""Which path a cell takes: the kernel where it can be compiled and agrees, else the steps, which is said once."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from portables import CELLS, layer_weights

import weight_mapping.torch as wt
from weight_mapping import compiler
from weight_mapping.activations import activation
from weight_mapping.errors import PortingError
from weight_mapping.spec import Cell, Recurrent
from weight_mapping.torch import kernel
from weight_mapping.torch.kernel import check, choice, formulas, library

compiled = pytest.mark.skipif(not kernel.standing().runs, reason=f"no compiled cells: {kernel.standing().why}")
GOLDEN = Path(__file__).parents[2] / "golden" / "k2.2.4_tensorflow_lstm_hs.h5"
CHECK = ["lstm_forward", "lstm_backward"] * len(check.RUNS)
"""What is called before a cell is trusted."""


def forget() -> None:
    memories = (
        choice._obstacle, choice._say, library.address, library.cells, library._compiled, library._compiled_for,
        library.target,
    )  # fmt: skip
    for memory in memories:
        memory.cache_clear()


@pytest.fixture(autouse=True)
def _nothing_known() -> Iterator[None]:
    """Each test asks anew, and leaves nothing behind."""
    forget()
    yield
    forget()


def answer(cell: Cell = CELLS["lstm hard_sigmoid 1/5"]) -> torch.Tensor:
    layer = Recurrent(cells=(cell,))
    module = wt.build_layer(layer, layer_weights(layer, 4), dtype=torch.float64)
    y: torch.Tensor = module(torch.ones(3, 10, 4, dtype=torch.float64))[0].detach()
    return y


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The compiled functions that are called."""
    found: list[str] = []
    real: Callable[..., None] = library.call
    monkeypatch.setattr(library, "call", lambda name, *rest: (real(name, *rest), found.append(name)))
    return found


@compiled
def test_the_kernel_runs_by_default(calls: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    answer()
    assert calls == [*CHECK, "lstm_forward"]
    answer()
    assert calls == [*CHECK, "lstm_forward", "lstm_forward"]
    assert "step by step" not in capfd.readouterr().err


@pytest.mark.parametrize("where", ["activation", "recurrent_activation"])
def test_an_activation_over_all_units_has_no_kernel_and_nothing_is_said_of_it(
    where: str, calls: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    soft = replace(CELLS["lstm hard_sigmoid 1/5"], **{where: activation("softmax")})
    assert torch.isfinite(answer(soft)).all() and calls == []
    assert capfd.readouterr().err == ""


@compiled
def test_what_is_compiled_already_starts_no_process(monkeypatch: pytest.MonkeyPatch, calls: list[str]) -> None:
    answer()
    forget()
    calls.clear()
    monkeypatch.setattr(subprocess, "Popen", None)
    answer()
    assert calls == [*CHECK, "lstm_forward"]


@compiled
def test_the_switch_turns_it_off(calls: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    expected = answer()
    calls.clear()
    monkeypatch.setenv(kernel.SWITCH, "off")
    assert torch.allclose(answer(), expected, rtol=1e-12) and calls == []
    assert kernel.standing() == kernel.Standing(runs=False, why=f"{kernel.SWITCH} is off")
    monkeypatch.setenv(kernel.SWITCH, "fast")
    with pytest.raises(PortingError, match="neither on nor off"):
        answer()


def test_without_a_compiler_the_steps_serve_and_say_so_once(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], calls: list[str]
) -> None:
    monkeypatch.setattr(compiler, "NAMES", ())
    monkeypatch.delenv("CXX", raising=False)
    answer()
    answer()
    assert calls == []
    told = capfd.readouterr().err
    assert told.count("step by step") == 1 and "no C++ compiler" in told
    assert not kernel.standing().runs and "no C++ compiler" in kernel.standing().why


@compiled
def test_a_kernel_that_computes_something_else_is_not_used(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], calls: list[str]
) -> None:
    """A compiled activation that is off by a thousandth in the gates is found out, and the steps serve."""
    real = formulas.source
    wrong = ("T(0x1.999999999999ap-3) * v0", "T(0x1.99p-3) * v0")
    monkeypatch.setattr(formulas, "source", lambda of: real(of).replace(*wrong))
    found = answer()
    assert calls == CHECK
    assert "it is off by" in capfd.readouterr().err and not kernel.standing().runs
    monkeypatch.setenv(kernel.SWITCH, "off")
    assert torch.equal(answer(), found)


@compiled
@pytest.mark.parametrize("run", check.RUNS, ids=["packed", "few rows"])
@pytest.mark.parametrize(("function", "result"), [("lstm_forward", "c_all"), ("lstm_backward", "d_h")])
def test_a_result_of_no_number_is_no_agreement(
    monkeypatch: pytest.MonkeyPatch, function: str, result: str, run: tuple[int, int]
) -> None:
    real = library.call

    def spoilt(name: str, *rest: Any) -> None:
        real(name, *rest)
        if name == function and rest[-2].shape[:2] == run:
            rest[-1][result].fill_(float("nan"))

    monkeypatch.setattr(library, "call", spoilt)
    assert not kernel.standing().runs


@compiled
def test_a_file_of_many_slopes_compiles_a_few(monkeypatch: pytest.MonkeyPatch, calls: list[str]) -> None:
    monkeypatch.setattr(choice, "MOST", 0)
    answer()
    assert calls == []


def test_without_a_gpu_the_standing_on_cuda_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert not kernel.standing("cuda").runs and "sees no CUDA device" in kernel.standing("cuda").why


def test_what_fails_on_a_gpu_is_its_reason(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """Whatever Triton raises, or that it isn't there: the steps serve, and the reason is told."""

    def broken(_words: object, _dtype: torch.dtype, device: str) -> float:
        raise ImportError(f"No module named 'triton'\nseen on {device}")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(choice.check, "difference", broken)
    assert kernel.standing("cuda") == kernel.Standing(runs=False, why="ImportError: No module named 'triton'")
    assert capfd.readouterr().err.count("step by step") == 1


@compiled
def test_a_compiler_without_flags_for_this_processor_compiles_for_a_lesser_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = compiler.compiler()
    assert found
    for refused, left in (("nothing", "AVX512"), ("avx512", "AVX2"), ("avx", "any processor")):
        old = tmp_path / refused
        old.write_text(f'#!/bin/sh\ncase "$*" in *{refused}*) exit 1;; esac\nexec {found[0]} "$@"\n')
        old.chmod(0o700)
        monkeypatch.setenv("CXX", str(old))
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
        library.target.cache_clear()
        assert library.target() == (left, library.FLAGS.get(left, ()))


@compiled
@pytest.mark.parametrize("capability", ["default", "avx2"])
def test_the_variants_for_lesser_processors_agree_too(capability: str) -> None:
    """The registers are narrower there, and the tiles smaller."""
    script = (
        "import torch\n"
        "from weight_mapping.torch.kernel import check\n"
        "for kind in ('lstm', 'gru_after', 'gru_before', 'rnn'):\n"
        "    for dtype in (torch.float32, torch.float64):\n"
        "        found = check.difference((kind, 'tanh', 'hard_sigmoid slope=0.2'), dtype)\n"
        "        assert found <= check.LARGEST, (kind, dtype, found)\n"
    )
    if capability == "avx2" and "AVX" not in torch.backends.cpu.get_cpu_capability():
        pytest.skip("this processor has no AVX2")
    environment = {**os.environ, "ATEN_CPU_CAPABILITY": capability}
    told = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr


@compiled
def test_a_package_imported_anew_computes_the_same() -> None:
    """As a notebook's autoreload does, or pytest when it runs tests of its own within its process."""
    script = (
        "import sys, torch\n"
        "def y():\n"
        "    import weight_mapping as wm, weight_mapping.torch as wt\n"
        f"    module = wt.build(wm.load({str(GOLDEN)!r}))\n"
        "    return module(torch.ones(2, *module.spec.inputs[0].shape[1:]))\n"
        "first = y()\n"
        "for name in [name for name in sys.modules if name.startswith('weight_mapping')]:\n"
        "    del sys.modules[name]\n"
        "assert torch.equal(first, y())\n"
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
