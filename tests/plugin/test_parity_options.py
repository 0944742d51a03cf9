"""Options, ini keys and the marker, in sessions of their own; none of the pairs needs Keras, so they start fast."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="PyTorch is not installed")

PAIR = """
import numpy as np, pytest, torch
import weight_mapping.torch as wt
torch.manual_seed(0)
LSTM = torch.nn.LSTM(4, 3, batch_first=True)
PORTABLE = wt.extract(LSTM)
X = np.random.default_rng(0).standard_normal((2, 12, 4)).astype(np.float32)

def moved(relative):
    other = torch.nn.LSTM(4, 3, batch_first=True)
    other.load_state_dict({name: p * (1 + relative) for name, p in LSTM.state_dict().items()})
    return other
"""
QUIET = ("-p", "no:randomly", "-p", "no:cacheprovider")


def test_a_tolerance_of_the_session_is_an_option_and_a_key(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(f"{PAIR}\ndef test_it(parity): parity(PORTABLE, moved(1e-3), X)")
    pytester.makeini("[pytest]\nparity_tolerance = 0.1\n")
    pytester.runpytest_subprocess(*QUIET).assert_outcomes(passed=1)
    ran = pytester.runpytest_subprocess("--parity-tolerance=1e-9", *QUIET)
    ran.assert_outcomes(failed=1)
    ran.stdout.fnmatch_lines(["*repeat    pytest *::test_it --parity-tolerance=1e-09"])


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--parity-tolerance=0", "expected X"),
        ("--parity-tolerance=nan", "expected X"),
        ("--parity-seed=one", "expected N"),
        ("--parity-chaotic=pass", "expected skip|fail"),
    ],
)
def test_a_wrong_option_is_a_usage_error(pytester: pytest.Pytester, option: str, said: str) -> None:
    ran = pytester.runpytest_inprocess(option)
    assert ran.ret == pytest.ExitCode.USAGE_ERROR
    ran.stderr.fnmatch_lines([f"*{option[2:].split('=')[0].replace('-', '_')}*{said}"])


def test_the_marker_sets_what_a_test_compares_and_the_call_wins(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(f"""{PAIR}
@pytest.mark.parity(tolerance=0.1)
class Test:
    def test_wide(self, parity): parity(PORTABLE, moved(1e-3), X)

    @pytest.mark.parity(tolerance=1e-9)
    def test_nearer(self, parity): parity(PORTABLE, moved(1e-3), X)

    def test_called(self, parity): parity(PORTABLE, moved(1e-3), X, tolerance=1e-9)

@pytest.mark.parity(tolerances=1)
def test_unknown(parity): pass
""")
    ran = pytester.runpytest_subprocess("--strict-markers", *QUIET)
    ran.assert_outcomes(passed=1, failed=2, errors=1)
    ran.stdout.fnmatch_lines(["*marker parity: tolerances; known:*"])


def test_the_marker_chooses_the_tests_that_compare(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(parity): pass\ndef test_other(): pass")
    pytester.runpytest_inprocess("-m", "parity", *QUIET).assert_outcomes(passed=1, deselected=1)
    pytester.runpytest_inprocess("-m", "not parity", *QUIET).assert_outcomes(passed=1, deselected=1)


@pytest.mark.parametrize(("option", "outcome"), [((), "skipped"), (("--parity-chaotic=fail",), "failed")])
def test_what_is_chaotic_is_skipped_or_failed(pytester: pytest.Pytester, option: tuple[str, ...], outcome: str) -> None:
    pytester.makepyfile(f"""{PAIR}
def test_it(parity):
    wild = torch.nn.LSTM(4, 6, batch_first=True)
    with torch.no_grad(): wild.weight_hh_l0 *= 30
    parity(wt.extract(wild), wild, np.random.default_rng(0).standard_normal((2, 400, 4)).astype(np.float32))
""")
    pytester.runpytest_subprocess(*option, *QUIET).assert_outcomes(**{outcome: 1})


@pytest.mark.parametrize("processes", [(), ("-n", "2")], ids=["one process", "xdist"])
def test_results_are_written_where_the_ini_file_says(pytester: pytest.Pytester, processes: tuple[str, ...]) -> None:
    pytester.makepyfile(
        f"{PAIR}\n@pytest.mark.parametrize('n', range(3))\ndef test_it(parity, n): parity(PORTABLE, LSTM, X)"
    )
    pytester.makeini("[pytest]\nparity_results = out/results.json\n")
    (pytester.path / "elsewhere").mkdir()
    ran = pytester.runpytest_subprocess(*processes, *QUIET)
    ran.assert_outcomes(passed=3)
    ran.stdout.fnmatch_lines(["parity results: *results.json: 3 comparisons, holds"])
    data = json.loads((pytester.path / "out" / "results.json").read_text(encoding="utf-8"))
    assert len(data["cases"]) == 3 and data["kind"] == "verify"


def test_the_figures_stand_beside_a_benchmark_s_times(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT", "PYTEST_XDIST_TESTRUNUID"):
        monkeypatch.delenv(name, raising=False)  # pytest-benchmark measures nothing in a worker
    pytester.makepyfile(f"""{PAIR}
def test_it(parity, benchmark):
    parity(PORTABLE, LSTM, X)
    benchmark(LSTM, torch.from_numpy(X))
""")
    ran = pytester.runpytest_subprocess("--benchmark-json=times.json", "--benchmark-max-time=0.01", *QUIET)
    ran.assert_outcomes(passed=1)
    (told,) = json.loads(Path("times.json").read_text(encoding="utf-8"))["benchmarks"]
    figures = told["extra_info"]["parity outputs float32"]
    assert figures["verdict"] == "holds" and 0 <= figures["error"] <= figures["bound"]


def test_a_session_that_compares_nothing_loads_nothing(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
import sys
def test_it():
    heavy = {"torch", "tensorflow", "keras", "numpy", "matplotlib", "jinja2", "weight_mapping", "reports"}
    assert not heavy & {name.split(".")[0] for name in sys.modules}
""")
    pytester.runpytest_subprocess(*QUIET).assert_outcomes(passed=1)
