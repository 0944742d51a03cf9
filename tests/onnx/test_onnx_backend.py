"""ONNX Runtime as a backend of the proof: what it measures, what it says of the rest, and that it can fail."""

from __future__ import annotations

import numpy as np
import pytest

from harness import backends
from harness.backends import timing_onnx
from harness.backends.oracle import OracleSubject
from harness.bench.jobs import TRAINING, Group, make
from harness.cases import cases, problem_of
from harness.check import check
from harness.problems import Sizes, draw
from harness.results import FAILS, HOLDS, NOT_MEASURED
from harness.rows import LSTM, run
from weight_mapping.activations import hard_sigmoid
from weight_mapping.errors import Unrepresentable
from weight_mapping.onnx.activations import NAMED, Named


@pytest.fixture
def runtime() -> backends.Backend:
    (found,), missing = backends.load(["onnx"])
    assert not missing
    return found


@pytest.mark.parametrize("pattern", ["lstm/stateful*@different", "bidirectional/concat*@square", "gru*mask*@different"])
def test_outputs_and_single_steps_hold_and_the_rest_is_said(pattern: str, runtime: backends.Backend) -> None:
    chosen = cases([pattern])
    assert chosen
    for case in chosen:
        verdicts = {a.check: a.verdict for a in check(case, [runtime]).agreements}
        left_out = {name for name, verdict in verdicts.items() if verdict == NOT_MEASURED}
        assert left_out == {"gradients float32", "gradients float64" if "mask" in case.id else "outputs float64"}
        assert {verdict for name, verdict in verdicts.items() if name not in left_out} == {HOLDS}
        assert any(name.startswith("one step") for name in verdicts)


def test_the_states_of_a_stateful_layer_are_carried_from_batch_to_batch(runtime: backends.Backend) -> None:
    problem = problem_of(cases(["lstm/stateful*@different"])[0])
    found = runtime.build(problem, "float32").answer().outputs
    assert any("of batch 1" in name for name in found) and any("of a reset layer" in name for name in found)
    first = next(iter(found))
    assert np.array_equal(found[first], found[f"{first} of a reset layer"])


def test_a_wrong_alpha_turns_the_case_red(runtime: backends.Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    (case,) = [c for c in cases(["lstm/recurrent_activation/hard_sigmoid*"]) if c.id.endswith("1-5@different")]
    assert check(case, [runtime]).verdict == HOLDS
    monkeypatch.setitem(NAMED, "hard_sigmoid", Named("HardSigmoid", 1 / 6, 0.5))
    found = check(case, [runtime])
    assert found.verdict == FAILS
    assert {a.check for a in found.agreements if a.verdict == FAILS} >= {"outputs float32", "one step float32"}


def test_training_is_not_measured(runtime: backends.Backend) -> None:
    (case,) = cases(["lstm/recurrent_dropout/alone@different"])
    reasons = {a.reason for a in check(case, [runtime]).agreements}
    assert reasons == {"an ONNX model is for inference, without dropout"}


def test_what_the_runtime_lacks_in_float64_is_said(runtime: backends.Backend) -> None:
    for pattern, why in (("lstm/default@*", "LSTM computes in float32 alone"), ("lstm/activation/gelu@*", "Erf")):
        problem = problem_of(cases([pattern])[0])
        with pytest.raises(Unrepresentable, match=why):
            runtime.build(problem, "float64")


def test_a_mask_goes_with_every_batch_of_a_stateful_layer(runtime: backends.Backend) -> None:
    layer = run(LSTM, stateful=True)
    problem = draw(layer, Sizes(3, 10, 4, 5), np.random.default_rng(0), batches=3, mask="scattered")
    expected = OracleSubject(problem).outputs()
    found = runtime.build(problem, "float64").answer().outputs
    assert expected.keys() == found.keys() and any("of batch 2" in name for name in found)
    assert all(np.abs(found[name] - expected[name]).max() < 1e-13 for name in expected)


def test_the_stopwatch_times_the_operator_with_the_oracle_s_answer() -> None:
    job = make(Group(shape=(2, 11, 5, 3)), hard_sigmoid(1 / 5))
    prepared = timing_onnx.prepare(job, form="operator")
    prepared.run()
    assert job.agrees(prepared.answer())
    with pytest.raises(Unrepresentable, match="takes no training step"):
        timing_onnx.prepare(make(Group(shape=(2, 11, 5, 3), task=TRAINING), hard_sigmoid(1 / 5)), form="operator")
    assert timing_onnx.missing("operator", "cpu") is None and timing_onnx.missing("operator", "cuda")
