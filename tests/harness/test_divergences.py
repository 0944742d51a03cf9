"""Training with a convention mapped and not: the mapped port stays on Keras' path, the other leaves it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from harness.backends import load
from harness.cases import cases
from harness.mutants.of_training import ROWS
from harness.results import Divergence, Results, from_json, to_json
from harness.training.descent import LONG
from harness.training.divergences import measured
from reports.render import page


@pytest.fixture(scope="module")
def found() -> dict[str, Divergence]:
    pytest.importorskip("torch")
    return {d.convention: d for d in measured(cases(["training/*"]), load(["torch module"])[0], 0)}


def test_every_wrong_port_of_training_has_its_row(found: dict[str, Divergence]) -> None:
    assert found.keys() == {row.id for row in ROWS if row.check == "training"}
    assert {"epsilon misplaced", "PyTorch's epsilon", "bias correction left out", "weight decay in the gradient",
            "clipping left out", "second bias trained"} <= found.keys()  # fmt: skip


@pytest.mark.parametrize("row", [row.id for row in ROWS if row.check == "training"])
def test_mapped_it_stays_on_the_path_and_not_mapped_it_leaves_it(row: str, found: dict[str, Divergence]) -> None:
    one = found[row]
    assert len(one.mapped) == len(one.unmapped) == LONG
    assert one.mapped[0] < 1e-14 and one.unmapped[0] < 1e-14  # the first loss is before any step
    assert one.weights[0] < 1e-6 * one.weights[1] and max(one.mapped) < 1e-6 * max(one.unmapped)


def test_two_biases_move_twice_as_far(found: dict[str, Divergence]) -> None:
    first, last = (float(n) for n in re.findall(r"(\d\.\d\d) times", found["second bias trained"].note))
    assert first == 2.0 and last > 1.2


def test_only_what_was_chosen_is_measured_and_nothing_without_our_module() -> None:
    pytest.importorskip("torch")
    backends = load(["torch module"])[0]
    assert [d.walk for d in measured(cases(["training/Adagrad"]), backends, 0)] == ["Adagrad"]
    assert list(measured(cases(["lstm/default"]), backends, 0)) == []
    assert list(measured(cases(["training/*"]), [], 0)) == []


def test_they_are_on_the_page_and_come_back_from_json(found: dict[str, Divergence]) -> None:
    options: dict[str, Any] = {"kind": "verify", "command": "", "environment": {}}
    results = Results(**options, divergences=tuple(found.values()))
    assert from_json(to_json(results)).divergences == results.divergences
    shown = page(results)
    assert "Loss at step 50: mapped, not" in shown and all(d.note in shown for d in found.values())
    assert 'id="divergences"' not in page(Results(**options))
