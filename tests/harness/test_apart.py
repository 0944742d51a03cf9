"""Backends in processes of their own: the same interface, and a process that dies is a failure, not the end."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.backends import apart
from harness.backends.apart import Apart, Crashed
from harness.backends.oracle import OracleSubject
from harness.cases import CORE, ROWS, Case, cases, problem_of
from harness.check import check
from harness.results import FAILS, HOLDS, NOT_MEASURED
from harness.verify import run
from weight_mapping.errors import Unrepresentable

ENGINES = ("torch", "jax")


@pytest.fixture(scope="module", params=ENGINES)
def keras(request: pytest.FixtureRequest) -> Iterator[Any]:
    pytest.importorskip("keras")
    pytest.importorskip(request.param)
    yield apart.backend(f"keras 3 on {request.param}")


def case(id: str) -> Case:
    (found,) = cases([id])
    return found


def test_outputs_gradients_steps_and_training_come_through_the_pipe(keras: Any) -> None:
    result = check(case("gru reset_after/default@different"), [keras])
    assert result.verdict == HOLDS, result.agreements
    assert {a.check for a in result.agreements} >= {
        "outputs float64", "gradient kernel float64", "one step float32", "training float64",
    }  # fmt: skip
    assert all("unless it runs on TensorFlow" in a.reason for a in result.agreements if a.check.endswith("float64"))


def test_a_wrong_port_is_seen_all_the_same(keras: Any) -> None:
    """Though float64 is held to float32's bound there, a mistake is far greater."""
    problem = problem_of(case("lstm/default@different"))
    weights = {p: replace(w, bias=np.zeros_like(w.bias)) for p, w in problem.weights.items()}
    right, wrong = (OracleSubject(p).outputs()["y"] for p in (problem, replace(problem, weights=weights)))
    found = keras.build(replace(problem, weights=weights), "float64").outputs()["y"]
    assert np.abs(found - wrong).max() < 1e-6 < 1e-2 < np.abs(found - right).max()


def test_a_layer_takes_other_numbers(keras: Any) -> None:
    one, other = (problem_of(case("lstm/default@different"), seed) for seed in (0, 1))
    subject = keras.build(one, "float32").renumbered(other)
    np.testing.assert_allclose(subject.outputs()["y"], OracleSubject(other).outputs()["y"], rtol=0, atol=1e-6)


def test_a_refusal_is_a_refusal_here_too(keras: Any) -> None:
    with pytest.raises(Unrepresentable, match="time_major"):
        keras.build(problem_of(case("lstm/time_major/True@different")), "float32")


def test_what_jax_puts_out_at_masked_first_steps_is_refused_by_name() -> None:
    pytest.importorskip("jax")
    result = check(case("lstm/mask/scattered@different"), [apart.backend("keras 3 on jax")])
    assert {a.verdict for a in result.agreements} == {NOT_MEASURED}
    assert all("initial state where the first steps are masked" in a.reason for a in result.agreements)


DYING = """
import os, sys
from multiprocessing.connection import Connection
pipe = Connection(int(sys.argv[2]))
print("about to die")
sys.stdout.flush()
pipe.recv()
os.abort()
"""


def test_a_process_that_dies_is_a_crash_and_the_next_question_starts_another(tmp_path: Path) -> None:
    (tmp_path / "dying.py").write_text(DYING)
    backend = Apart(name="keras 3 on torch", command=(sys.executable, str(tmp_path / "dying.py")))
    result = check(case("rnn/default@different"), [backend])
    assert result.verdict == FAILS
    assert [a.check for a in result.agreements] == ["outputs float64", "outputs float32"]
    assert all("SIGABRT, after saying: about to die" in a.reason for a in result.agreements)


def test_a_process_that_never_answers_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "_PATIENCE", 0.2)
    (tmp_path / "still.py").write_text(DYING.replace("os.abort()", "import time; time.sleep(600)"))
    backend = Apart(name="keras 3 on torch", command=(sys.executable, str(tmp_path / "still.py")))
    with pytest.raises(Crashed, match="no answer in 0 s"):
        backend.build(problem_of(case("rnn/default@different")), "float32")


def test_a_subject_of_a_process_that_ended_is_not_another_one(keras: Any) -> None:
    problem = problem_of(case("rnn/default@different"))
    subject = keras.build(problem, "float32")
    keras._process.running.kill()
    with pytest.raises(Crashed, match="SIGKILL"):
        subject.outputs()
    keras.build(problem, "float32")
    with pytest.raises(RuntimeError, match="process that ended"):
        subject.outputs()


def test_the_core_cases_are_cases_of_every_kind() -> None:
    assert {row.id for row in ROWS} >= CORE
    kinds = {cell.kind for c in cases() if c.core for _, cell in problem_of(c).cells()}
    assert kinds == {"lstm", "gru", "rnn"}


def test_a_sampled_backend_takes_part_in_the_core_cases_alone() -> None:
    chosen = cases(["rnn/default", "rnn/relu"])
    asked: list[str] = []

    class Asked:
        name, keras, of_argument = "asked", None, frozenset[str]()

        def build(self, problem: Any, dtype: str) -> Any:  # noqa: ARG002
            asked.append(dtype)
            raise Unrepresentable("no")

    quiet: Any = type("Quiet", (), {n: lambda *_: None for n in ("case", "mutant", "timing")})()
    options: dict[str, Any] = {"seed": 0, "mutants": False, "timings": False, "command": "", "progress": quiet}
    found = run(chosen, [Asked()], {}, sampled=("asked",), **options)  # type: ignore[list-item]
    assert asked == ["float64", "float32"]
    assert found.not_measured["asked, all but the core cases"].startswith("it takes seconds")
