"""Results made by hand, so that the page is tested without a framework."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from harness.results import CHAOTIC, FAILS, HOLDS, NOT_MEASURED, Agreement, Case, Mutant, Results, Timing

BACKENDS = ("torch nn", "keras 3")
CHECKS = ("outputs", "gradient kernel", "gradient bias", "one step")
REASON = "(8 √11 + 24) 2^-53, 11 roundings, times {}, the amplification measured with the oracle"


@dataclass(frozen=True)
class Make:
    """Makers of results. `text` stands for every string that a stranger may choose."""

    text: str = "plain"

    def agreement(self, check: str, backend: str, error: float | None, bound: float | None, verdict: str) -> Agreement:
        return Agreement(
            check=check, backend=backend, reference="oracle", error=error, bound=bound,
            unit="u" if "float32" in check else "relative", reason=REASON.format(check), verdict=verdict,
            where=f"{self.text} batch 1, step 9, unit 3",
        )  # fmt: skip

    def case(self, n: int = 0, *, error: float = 3e-16, verdict: str = HOLDS, steps: int = 11) -> Case:
        rng = random.Random(n)
        curve = tuple(rng.uniform(0, 4) for _ in range(steps))
        agreements = [
            self.agreement(f"{check} {precision}", backend, (error if precision == "float64" else 2.5), bound, verdict)
            for precision, bound in (("float64", 1e-13), ("float32", 90.0))
            for check in CHECKS
            for backend in BACKENDS
        ]
        agreements.append(self.agreement("dropout statistics float32", "keras 3", None, None, NOT_MEASURED))
        return Case(
            id=f"lstm/{self.text}@{n}",
            title=f"title {self.text} {n}",
            group=f"{self.text} group/part {n % 3}",
            spec={"units": 4, "sizes": {"batch": 3, self.text: (1, 2)}, "activation": f"tanh {self.text}"},
            fingerprint="0123456789abcdef" * 4,
            repeat=f"lstm-parity verify --case lstm/{n} {self.text}",
            agreements=tuple(agreements),
            seconds=0.25,
            error_over_time=dict.fromkeys(BACKENDS, curve),
            error_by_gate={b: {"i": curve, self.text[:9]: curve} for b in BACKENDS},
            training=dict.fromkeys(BACKENDS, (2.0, 1.0, 0.5)),
            notes=(f"note {self.text}",),
        )

    def timing(self, name: str, seconds: float, *, task: str = "forward", rounds: int = 15) -> Timing:
        rng = random.Random(ascii(name + task))
        times = tuple(seconds * rng.uniform(1, 1.02) for _ in range(rounds))
        return Timing(
            implementation=name, task=task, device="cpu", shape=(1, 100, 64, 64), seconds=times, agrees=True,
            note=self.text,
        )  # fmt: skip

    def results(self, cases: int = 3, **changed: object) -> Results:
        made = tuple(self.case(n) for n in range(cases))
        mutant = Mutant(
            name=f"mutant {self.text}",
            description=f"does {self.text}",
            caught=True,
            by=self.text,
            error=0.3,
            named=True,
        )
        fields: dict[str, object] = {
            "kind": "verify",
            "command": f"lstm-parity verify {self.text}",
            "environment": {"python": "3.11", self.text: {"nested": self.text}},
            "cases": made,
            "planned": tuple(case.id for case in made),
            "mutants": (mutant,),
            "timings": (
                self.timing(f"nn {self.text}", 1e-3),
                self.timing("slow", 5e-3),
                Timing(
                    implementation="nn", task="forward", device="cuda", shape=(1, 2, 3, 4), seconds=(), note=self.text
                ),
            ),
            "not_measured": {f"cuda {self.text}": f"no device {self.text}"},
        }
        return Results(**{**fields, **changed})  # type: ignore[arg-type]


@pytest.fixture
def make() -> Make:
    return Make()


@pytest.fixture
def make_with() -> Callable[[str], Make]:
    return Make


@pytest.fixture
def failing(make: Make) -> Results:
    """Three cases: one holds, one fails, one is chaotic."""
    cases = (make.case(0), make.case(1, error=0.031, verdict=FAILS), make.case(2, error=7.0, verdict=CHAOTIC))
    return replace(make.results(), cases=cases)
