"""The sweep: a fixed set of random layers in every backend, what a failure leaves behind, and that it is seen."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings

from harness import workers
from harness.backends import IN_THIS_PROCESS, Backend, load
from harness.backends.oracle import OracleSubject
from harness.bounds import greatest
from harness.commands import verify
from harness.expected import expect_outputs
from harness.problems import MASKS, Problem, cells
from harness.results import CHAOTIC, FAILS, HOLDS, NOT_MEASURED, Results
from harness.sweep import journal, running
from harness.sweep.measuring import CRASHED, Outcome, measure, repeat, summary
from harness.sweep.samples import MAGNITUDES, Sample, problem, sample
from harness.sweep.strategies import ACTIVATIONS, GROUP, groups
from weight_mapping.activations import ROWS, activation
from weight_mapping.errors import DamagedFile
from weight_mapping.spec import Bidirectional, Cell, Recurrent
from weight_mapping.weights import CellWeights

LSTM = Recurrent(cells=(Cell(kind="lstm", units=3, input_size=2),), return_sequences=True)
ONE = Sample(layer=LSTM, dtype="float64", batch=3, time=12, seed=5)


@pytest.fixture(scope="module")
def backends() -> Sequence[Backend]:
    found, missing = load(IN_THIS_PROCESS)
    if not found:
        pytest.skip(f"no framework is installed: {missing}")
    return found


@pytest.mark.filterwarnings("ignore::UserWarning:keras")
@settings(max_examples=15)
@given(group=groups())
def test_random_layers_agree_in_every_backend(group: tuple[Sample, ...], backends: Sequence[Backend]) -> None:
    failed = [f"{o.title}: {o.failures}; {repeat(o.case)}" for o in measure(group[:3], backends) if o.failures]
    assert not failed, "\n".join(failed)


def test_the_space_is_whole() -> None:
    """What three thousand drawn samples hold between them."""
    found = [s for _, group in running.drawn(3000, 3) for s in group]
    assert len({s.id for s in found}) == 3000
    every = [cell for s in found for _, cell in cells(s.layer)]
    assert {(c.kind, c.bias, c.reset_after) for c in every} == {
        *((kind, bias, False) for kind in ("lstm", "gru", "rnn") for bias in ("none", "single")),
        ("gru", "none", True), ("gru", "split", True),
    }  # fmt: skip
    gates = {name for name, row in ROWS.items() if row.derivative is not None}
    assert {a.name for a in ACTIVATIONS} == gates
    assert len({c.activation for c in every}) > len(ACTIVATIONS) / 2
    two = [s.layer for s in found if isinstance(s.layer, Bidirectional)]
    assert {layer.merge for layer in two} == {"concat", "sum", "mul", "ave", "none"}
    assert any(layer.forward.cells != layer.backward.cells for layer in two)
    runs = [s.layer for s in found if isinstance(s.layer, Recurrent)]
    for flag in ("return_sequences", "return_state", "go_backwards", "stateful", "zero_output_for_mask", "time_major"):
        assert {getattr(layer, flag) for layer in runs} == {False, True}
    assert {len(layer.cells) for layer in runs} == {1, 2, 3}
    assert {s.mask for s in found} == set(MASKS) and {s.dtype for s in found} == {"float32", "float64"}
    assert {s.recurrent for s in found} == set(MAGNITUDES)
    assert {1, 33} <= {s.batch for s in found} and max(s.time for s in found) > 30


@settings(max_examples=20)
@given(group=groups())
def test_a_name_makes_the_same_sample_again(group: tuple[Sample, ...]) -> None:
    assert len(group) == GROUP
    again = sample(group[0].id)
    assert again == group[0] and problem(again).fingerprint() == problem(group[0]).fingerprint()


@pytest.mark.parametrize("name", ["", "!", "abcd", ONE.id[:-9], ONE.id + "A" * 7, "eJyrBQAAewB7"])
def test_what_is_no_name_is_one_error(name: str) -> None:
    with pytest.raises(DamagedFile, match="sweep"):
        sample(name)


@pytest.mark.parametrize("wrong", [{"mask": "other"}, {"kernel": "huge"}, {"time": 10**9}, {"dtype": "int8"}])
def test_a_name_with_other_words_is_one_error(wrong: dict[str, Any]) -> None:
    with pytest.raises(DamagedFile, match="can't have"):
        sample(replace(ONE, **wrong).id)


class Wrong:
    """A backend that drops the biases of LSTMs in float64."""

    name, keras, of_argument = "wrong", None, frozenset[str]()

    def coarse(self, problem: Problem) -> str:  # noqa: ARG002
        return ""

    def build(self, problem: Problem, dtype: str) -> Any:  # noqa: ARG002
        hurt = {
            path: replace(w, bias=None if w.bias is None else np.zeros_like(w.bias)) if w.kind == "lstm" else w
            for path, w in problem.weights.items()
        }
        return Renewed(replace(problem, weights=hurt))


class Renewed(OracleSubject):
    def renumbered(self, problem: Problem) -> Any:
        return Wrong().build(problem, "float64")


def test_a_wrong_backend_fails_and_its_failure_is_made_small() -> None:
    wrong: Any = [Wrong()]
    chunk, failing = next(
        (chunk, o) for chunk, group in running.drawn(300, 0) for o in measure(group, wrong) if o.verdict == FAILS
    )
    (told,) = summary([failing])["failures"]
    assert told["repeat"] == f"lstm-parity verify --sweep-case {failing.case}"
    small = running.shrunk(failing, 0, chunk, wrong)
    before, after = sample(failing.case), sample(small.case)
    assert small.verdict == FAILS and after.time <= before.time and after.batch <= before.batch
    assert [c.kind for _, c in cells(after.layer)] == ["lstm"] and after.time * after.batch <= 4


def test_a_backend_that_cannot_build_fails_and_the_others_go_on() -> None:
    class Unbuilt(Wrong):
        def build(self, problem: Problem, dtype: str) -> Any:  # noqa: ARG002
            raise RuntimeError("no memory today")

    mixed: Any = [Unbuilt(), *load(["torch module"])[0]]
    outcomes = list(measure([ONE, replace(ONE, seed=6)], mixed))
    assert [o.failures for o in outcomes] == [("wrong: RuntimeError: no memory today",)] * 2
    assert len(mixed) == 1 or all("torch module" in o.shares for o in outcomes)


def test_a_number_that_is_no_number_fails() -> None:
    class Spoilt(Wrong):
        def build(self, problem: Problem, dtype: str) -> Any:  # noqa: ARG002
            subject = OracleSubject(problem)
            y = subject.outputs()
            return type("S", (), {"outputs": lambda self: {n: a * np.nan for n, a in y.items()}})()

    spoilt: Any = [Spoilt()]
    (outcome,) = measure([ONE], spoilt)
    assert outcome.verdict == FAILS


def test_what_leaves_the_range_is_not_measured_and_no_pass() -> None:
    cell = replace(LSTM.cells[0], activation=next(a for a in ACTIVATIONS if a.name == "exponential"))
    wild = replace(ONE, layer=replace(LSTM, cells=(cell,)), kernel="extreme", x="extreme", time=40)
    (outcome,) = measure([wild], [])
    assert outcome.verdict == NOT_MEASURED
    asked = {"asked": 1, **summary([outcome])}
    assert Results(kind="verify", command="", environment={}, sweep=asked).verdict == FAILS


def test_a_nan_after_other_numbers_leaves_the_range_too() -> None:
    """In the second cell of a stack: the first one's numbers are ordinary, and come before."""
    over = replace(LSTM.cells[0], kind="gru", units=2, input_size=3, recurrent_activation=activation("exponential"),
                   activation=activation("linear"))  # fmt: skip
    wild = replace(ONE, layer=replace(LSTM, cells=(LSTM.cells[0], over)), kernel="extreme", time=40)
    with np.errstate(all="ignore"):
        (trace,) = OracleSubject(problem(wild)).traces()
        assert np.isnan(trace.outputs[0]).any() and greatest(trace) == np.inf
    (outcome,) = measure([wild], [])
    assert outcome.verdict == NOT_MEASURED


@pytest.mark.parametrize(
    ("name", "away", "chaotic"), [("hard_shrink", 0.0, True), ("hard_shrink", 0.1, False), ("tanh", 0.0, False)]
)
def test_an_argument_at_a_jump_is_chaos_and_one_beside_it_is_not(name: str, away: float, chaotic: bool) -> None:
    cell = Cell(kind="rnn", units=1, input_size=1, activation=next(a for a in ACTIVATIONS if a.name == name))
    zero = np.zeros((1, 1, 1))
    weights = CellWeights(kind="rnn", kernel=zero, recurrent=zero, bias=zero + 0.5 + away)
    given = Problem(layer=Recurrent(cells=(cell,)), weights={("0",): weights}, xs=(np.ones((1, 10, 1)),))
    _, limits = expect_outputs(given, "float32")
    assert {limit.chaotic for limit in limits["float32"].values()} == {chaotic}


def test_a_missing_case_is_no_pass() -> None:
    held = Outcome(case="a", title="", verdict=HOLDS, seconds=0.0)
    for asked, verdict in ((1, HOLDS), (2, FAILS)):
        data = {"asked": asked, **summary([held])}
        assert Results(kind="verify", command="", environment={}, sweep=data).verdict == verdict


def test_the_log_goes_on_where_it_was_torn(tmp_path: Path) -> None:
    path = tmp_path / "sweep.jsonl"
    one, two, three = (Outcome(case=c, title=c, verdict=HOLDS, seconds=0.1, shares={"b": 0.5}) for c in "abc")
    with journal.opened(path) as log:
        journal.append(log, one, "now")
        journal.append(log, two, "before")
        journal.append(log, three, "now")
    path.write_bytes(path.read_bytes()[:-7])
    assert journal.read(path, "now") == {"a": one}
    with journal.opened(path) as log:
        journal.append(log, three, "now")
    assert journal.read(path, "now") == {"a": one, "c": three}


def test_the_stamp_knows_the_backends() -> None:
    assert journal.stamp(("a",)) != journal.stamp(("a", "b"))


def test_what_is_logged_is_not_measured_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_pool", Pool)
    asked: list[str] = []
    first = running.run(25, 1, ["b"], tmp_path / "log", jobs=1, done=lambda o: asked.append(o.case))
    assert sorted(asked) == sorted(first) and len(first) == 25
    again = running.run(30, 1, ["b"], tmp_path / "log", jobs=1, done=lambda o: asked.append(o.case))
    assert len(asked) == len(set(asked)) == 30 and again.keys() == set(asked)
    assert {o.verdict for _, o in again.values()} <= {HOLDS, CHAOTIC, NOT_MEASURED, CRASHED}


def test_ctrl_c_keeps_what_is_done_and_names_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_pool", Pool)
    monkeypatch.setattr("sys.argv", ["lstm-parity", "verify", "--sweep", "40"])
    real, appended = journal.append, []

    def append(*arguments: Any) -> None:
        if len(appended) == 7:
            raise KeyboardInterrupt
        appended.append(arguments)
        real(*arguments)

    monkeypatch.setattr(journal, "append", append)
    arguments = ["--sweep", "40", "--jobs", "1", "--backend", "torch module", "-o", str(tmp_path)]
    result = CliRunner().invoke(verify.command, arguments, standalone_mode=False, catch_exceptions=False)
    assert result.return_value == 130 and len((tmp_path / "sweep.jsonl").read_text().splitlines()) == 7
    assert "What is left: lstm-parity verify --sweep 40\n" in result.output
    assert "of 40 cases of the sweep" in result.output and (tmp_path / "report.html").exists()


class Pool:
    """Processes that die of a group, and one by one of every LSTM, without any process."""

    def __init__(self, names: Sequence[str], jobs: int) -> None:  # noqa: ARG002
        self.names = names

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def submit(self, function: Any, work: Any = None, item: Any = (0, ())) -> Any:  # noqa: ARG002
        from concurrent.futures import Future

        future: Future[Any] = Future()
        _, group = item
        if len(group) > 1 or any(cell.kind == "lstm" for s in group for _, cell in cells(s.layer)):
            future.set_exception(BrokenProcessPool("died"))
        else:
            future.set_result([Outcome(case=s.id, title=s.title, verdict=HOLDS, seconds=0.0) for s in group])
        return future

    def shutdown(self, cancel_futures: bool) -> None:
        pass


def test_a_crash_is_recorded_and_the_others_of_its_group_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_pool", Pool)
    found = running.run(60, 2, ["b"], tmp_path / "log", jobs=2, done=lambda _: None)
    crashed = {case for case, (_, o) in found.items() if o.verdict == CRASHED}
    assert crashed == {case for case in found if "lstm" in sample(case).title} and 0 < len(crashed) < 60
    assert len(summary(o for _, o in found.values())["failures"]) == len(crashed)


def test_a_process_that_really_dies_is_a_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dying.py").write_text("import os\n\n\ndef work(item, backends):\n    os._exit(9)\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    deadly = replace(running.TASK, work=importlib.import_module("dying").work)
    (outcome,) = workers.alone((0, (ONE,)), deadly, ())
    assert outcome.verdict == CRASHED


def test_the_command_repeats_one_case() -> None:
    pytest.importorskip("torch")
    arguments = ["--sweep-case", ONE.id, "--backend", "torch module"]
    result = CliRunner().invoke(verify.command, arguments, standalone_mode=False, catch_exceptions=False)
    assert result.return_value == 0 and result.output.splitlines()[-1] == HOLDS
    assert "lstm tanh sigmoid; float64, batch 3, 12 steps" in result.output


def test_the_command_sweeps_and_writes_its_page(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    arguments = ["--sweep", "12", "--jobs", "1", "--backend", "torch module", "-o", str(tmp_path)]
    result = CliRunner().invoke(verify.command, arguments, standalone_mode=False, catch_exceptions=False)
    assert result.return_value == 0, result.output
    assert "of 12 cases of the sweep" in result.output
    assert len((tmp_path / "sweep.jsonl").read_text().splitlines()) == 12
    assert "Random cases" in (tmp_path / "report.html").read_text(encoding="utf-8")
