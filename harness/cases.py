"""The cases of the proof: a case is a row in a regime of sizes. The rows are in `lstm_cases` and, of GRU, SimpleRNN,
stacks and Bidirectional, in `other_cases`."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np

from harness.lstm_cases import lstm_rows, training_rows
from harness.other_cases import other_rows
from harness.problems import Problem, Sizes, draw
from harness.rows import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A row in one regime."""

    row: Row
    regime: str

    @property
    def id(self) -> str:
        return f"{self.row.id}@{self.regime}"

    @property
    def group(self) -> str:
        """The first words of the id: 'lstm/activation'."""
        return "/".join(self.row.id.split("/")[:2])

    @property
    def sizes(self) -> Sizes:
        return self.row.sizes[self.regime]

    @property
    def core(self) -> bool:
        """Whether it is one of those that every backend takes part in, however long it takes."""
        return self.row.id in CORE and self.regime == "different"


CORE = frozenset({
    "lstm/default", "gru reset_after/default", "gru reset_before/default", "rnn/default", "bidirectional/concat",
    "lstm/mask/right-padded", "lstm/mask/scattered", "lstm/mask/zero_output_for_mask", "bidirectional/mask/concat",
    "lstm/stateful/three batches", "lstm/stack/two cells", "lstm/go_backwards/True", "lstm/unroll/True",
    "lstm/recurrent_activation/hard_sigmoid 1-5", "lstm/dropout/implementation 2", "lstm/kernel_regularizer/l2",
    "training/Adam",
})  # fmt: skip
ROWS: tuple[Row, ...] = (*lstm_rows(), *other_rows(), *training_rows())


def cases(patterns: Sequence[str] = ()) -> tuple[Case, ...]:
    """Every case, or those whose id (with or without the regime) is one of the patterns or fits it as a glob."""
    every = tuple(Case(row=row, regime=regime) for row in ROWS for regime in row.sizes)
    return tuple(case for case in every if not patterns or any(_fits(case, pattern) for pattern in patterns))


def _fits(case: Case, pattern: str) -> bool:
    return fnmatchcase(case.id, pattern) or fnmatchcase(case.row.id, pattern)


def seed_of(case_id: str, seed: int) -> np.random.Generator:
    """The case's own random numbers, whatever other cases run."""
    return np.random.default_rng([seed, zlib.crc32(case_id.encode())])


def problem_of(case: Case, seed: int = 0) -> Problem:
    """The case's numbers. With `weights="fresh"` they are to be replaced by what Keras draws."""
    row = case.row
    return draw(
        row.layer, case.sizes, seed_of(case.id, seed), batches=row.batches, mask=row.mask, gain=row.gain,
        first_step_only=row.first_step_only, diagonal=row.weights == "diagonal", arguments=row.arguments,
    )  # fmt: skip
