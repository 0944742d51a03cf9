"""`--parity-report`: one page of all comparisons, also when several processes share the tests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="PyTorch is not installed")

# Two right pairs and a wrong one, none of which needs Keras: the page is the same, and the processes start fast.
PAIRS = """
import numpy as np, pytest, torch
import weight_mapping.torch as wt

@pytest.mark.parametrize("units", [3, 5])
def test_right(parity, units):
    lstm = torch.nn.LSTM(4, units, batch_first=True)
    case = parity(wt.extract(lstm), lstm, np.ones((2, 10, 4), np.float32))
    assert case.verdict == "holds"

def test_wrong(parity):
    lstm = torch.nn.LSTM(4, 3, batch_first=True)
    portable = wt.extract(lstm)
    portable = type(portable)(spec=portable.spec, weights=dict(portable.weights))
    torch.nn.init.zeros_(lstm.bias_ih_l0)
    parity(portable, lstm, np.ones((2, 10, 4), np.float32))
"""
KEEP = """
from pathlib import Path
from harness import pytest_plugin
from harness.results import to_json

def pytest_terminal_summary(config):
    results = config.stash[pytest_plugin._RECORD].results(config)
    Path("results.json").write_text(to_json(results))
"""


@pytest.fixture(params=[[], ["-n", "2", "--dist", "load"]], ids=["one process", "xdist"])
def processes(request: pytest.FixtureRequest) -> list[str]:
    arguments: list[str] = request.param
    return arguments


def test_every_comparison_is_on_the_page(pytester: pytest.Pytester, processes: list[str]) -> None:
    from harness.results import from_json

    pytester.makepyfile(test_pairs=PAIRS)
    pytester.makeconftest(KEEP)
    ran = pytester.runpytest_subprocess("--parity-report=out/page.html", "--junitxml=junit.xml", *processes)
    ran.assert_outcomes(passed=2, failed=1)
    ran.stdout.fnmatch_lines(["*disagree*", "*parity report: out?page.html: 3 comparisons, fails"])
    results = from_json(Path("results.json").read_text())
    names = {"test_pairs.py::test_right[3] #1", "test_pairs.py::test_right[5] #1", "test_pairs.py::test_wrong #1"}
    assert {case.id for case in results.cases} == set(results.planned) == names
    assert {case.id for case in results.cases if case.verdict == "fails"} == {"test_pairs.py::test_wrong #1"}
    page = Path("out/page.html").read_text(encoding="utf-8")
    assert all(name in page for name in names)
    junit = Path("junit.xml").read_text(encoding="utf-8")
    assert junit.count('name="parity outputs float32"') == 3
    assert "holds: error" in junit


def test_without_the_option_nothing_is_written(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_pairs=PAIRS)
    ran = pytester.runpytest_inprocess("-k", "right and 3")
    ran.assert_outcomes(passed=1, deselected=2)
    ran.stdout.no_fnmatch_line("*parity report*")
    assert not list(pytester.path.glob("**/*.html"))


def test_a_comparison_that_never_ended_is_no_pass(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_broken(parity): parity(3, 4, 5)")
    ran = pytester.runpytest_inprocess("--parity-report=page.html")
    ran.assert_outcomes(failed=1)
    ran.stdout.fnmatch_lines(["*parity report: page.html: 0 comparisons, fails"])


def test_a_worker_that_breaks_down_leaves_no_pass(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("import os\ndef test_gone(): os._exit(3)\ndef test_there(): pass")
    ran = pytester.runpytest_subprocess("-n", "1", "--parity-report=page.html", "-p", "no:randomly")
    ran.stdout.fnmatch_lines(["*parity report: page.html: 0 comparisons, fails"])


def test_a_folder_is_no_page(pytester: pytest.Pytester) -> None:
    ran = pytester.runpytest_subprocess(f"--parity-report={pytester.path}")
    assert ran.ret == pytest.ExitCode.USAGE_ERROR
    ran.stderr.fnmatch_lines(["*is a folder; name a file*"])


def test_the_plugin_imports_no_framework_and_nothing_heavy() -> None:
    script = """
import sys
import harness.pytest_plugin
print(*sorted({name.split('.')[0] for name in sys.modules}))
"""
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"torch", "tensorflow", "keras", "tf_keras", "numpy", "matplotlib", "jinja2", "weight_mapping", "reports"}
    assert not heavy & set(loaded)
