"""What a wrong port is: a mistake that can be planted, and recognised."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from harness.backends import Arrays
from harness.mutants import mistakes
from harness.problems import Problem
from weight_mapping.errors import PortingError

Run = Callable[[Problem], Arrays]
Act = Callable[[Problem, Run], Arrays | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One mistake. `change` gives the problem as the mistaken port understands it, None where the mistake can't be
    made; `look` what it makes of the outputs. `act` does all of it where a changed problem can't say the mistake.

    `base` is the row of the table of cases on which it is planted, `also` further ones; `check` what must turn red:
    outputs, gradients, or training, by the optimizer that the base walks with."""

    id: str
    description: str
    fix: str
    change: mistakes.Change = lambda problem: problem
    look: mistakes.Look | None = None
    act: Act | None = None
    check: str = "outputs"
    base: str = "lstm/default"
    also: tuple[str, ...] = ()
    regimes: tuple[str, ...] = ("different", "square")

    def outputs(self, problem: Problem, run: Run) -> Arrays | None:
        """What the mistaken port returns; None where this mistake can't be made."""
        try:
            if self.act is not None:
                return self.act(problem, run)
            changed = self.change(problem)
            return None if changed is None else self.seen(run(changed))
        except PortingError:
            return None

    def seen(self, outputs: Arrays) -> Arrays:
        """What it makes of the outputs."""
        return outputs if self.look is None else self.look(outputs)
