"""Results made by hand, so that the page is tested without a framework; and a browser to see it in."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from harness.results import CHAOTIC, FAILS, HOLDS, NOT_MEASURED, Agreement, Case, Convention, Mutant, Results, Timing

BACKENDS = ("torch nn", "keras 3")
CHECKS = ("outputs", "gradient kernel", "gradient bias", "one step")
REASON = "(8 √11 + 24) 2^-53, 11 roundings, times {}, the amplification measured with the oracle"

CHROMIUM = ("--no-sandbox", "--disable-dev-shm-usage")
"""A container's superuser may not shut itself in, and has little shared memory."""
PATIENCE = 300_000
"""Milliseconds that a loaded machine may take for anything in the browser."""


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
            error_by_unit={b: {"h": curve[:4], f"gate {self.text[:9]}": (1.0, 2.0, 0.5, 4.5)} for b in BACKENDS},
            conventions=("number of biases", self.text),
            training=dict.fromkeys(BACKENDS, (2.0, 1.0, 0.5)),
            notes=(f"note {self.text}",),
        )

    def timing(
        self, name: str, seconds: float, *, task: str = "forward", rounds: int = 15, beside: Timing | None = None
    ) -> Timing:
        """`beside`: the measure that ran in the same rounds, this one itself where there is none."""
        rng = random.Random(ascii(name + task))
        times = tuple(seconds * rng.uniform(1, 1.02) for _ in range(rounds))
        return Timing(
            implementation=name, task=task, device="cpu", shape=(1, 100, 64, 64), seconds=times, agrees=True,
            note=self.text, measure=beside.seconds if beside else times,
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
                self.timing("slow", 5e-3, beside=self.timing(f"nn {self.text}", 1e-3)),
                Timing(
                    implementation="nn", task="forward", device="cuda", shape=(1, 2, 3, 4), seconds=(), note=self.text
                ),
            ),
            "conventions": (
                Convention(
                    id="number of biases",
                    keras=f"one {self.text}",
                    torch=f"two {self.text}",
                    mapped=f"frozen {self.text}",
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


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium, where it is installed."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        pytest.skip("chromium is not installed")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=found, args=[*CHROMIUM], timeout=PATIENCE)
        yield chromium
        chromium.close()


@pytest.fixture
def opened(browser: Any, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """`opened(html)` is that page in a tab of its own: `asked` are the addresses that it asked for, `said` what went to
    the console, the policy's refusals among it."""
    contexts = []

    def opened(html: str, *, scheme: str = "light", scripts: bool = True, width: int = 1280) -> Any:
        file = tmp_path / f"page{len(contexts)}.html"
        file.write_text(html, encoding="utf-8")
        context = browser.new_context(
            color_scheme=scheme, java_script_enabled=scripts, viewport={"width": width, "height": 900}
        )
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        tab = context.new_page()
        tab.asked, tab.said = [], []
        tab.on("request", lambda request: tab.asked.append(request.url))
        tab.on("console", lambda message: tab.said.append(message.text))
        tab.goto(file.as_uri())
        return tab

    yield opened
    for context in contexts:
        context.close()
