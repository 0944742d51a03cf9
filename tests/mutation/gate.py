"""`make mutants`: deliberate errors in the mapping's code, and what the tests make of each.

    python tests/mutation/gate.py                               # what has not run of all that pyproject.toml names
    python tests/mutation/gate.py weight_mapping/packing.py …   # some files, from the start
    python tests/mutation/gate.py --judge                       # what has run so far, running nothing

mutmut plants the errors and runs the tests (`warm`). Exit code 1 unless at least 95 % are killed and every other one is
in `survivors.toml` with the reason why no test could tell it from the code as it stands.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import ndiff
from pathlib import Path

import click
from mutmut.mutation.data import MutantLineSpans, SourceFileMutationData
from mutmut.stats import status_by_exit_code
from mutmut.utils.file_utils import walk_mutatable_files
from set_apart import set_apart

ENOUGH = 0.95
SURVIVORS = Path(__file__).with_name("survivors.toml")
KILLED = ("killed", "timeout", "segfault")
"""An error that ends in an endless loop or brings Python down is seen as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One error: the function it is in, the lines as they were and as they became, and what came of it."""

    file: str
    function: str
    was: str
    now: str
    status: str
    apart: str | None
    """Why it doesn't count (`set_apart`), or None."""

    @property
    def key(self) -> tuple[str, str, str]:
        return self.function, self.was, self.now


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """`unlisted`: survivors without a reason; `stale`: reasons for what is killed, or is no more."""

    counted: int
    killed: int
    unlisted: tuple[Mutant, ...]
    stale: tuple[tuple[str, str, str], ...]

    @property
    def share(self) -> float:
        return self.killed / self.counted if self.counted else 0.0

    @property
    def holds(self) -> bool:
        return self.share >= ENOUGH and not self.unlisted and not self.stale


def judge(mutants: Iterable[Mutant], reasons: Iterable[tuple[str, str, str]]) -> Verdict:
    """What counts has run and is not set apart; a reason waits for its function to run."""
    counted = [m for m in mutants if not m.apart and m.status != "not checked"]
    alive = {m.key for m in counted if m.status not in KILLED}
    reasons, ran = set(reasons), {m.function for m in counted}
    return Verdict(
        counted=len(counted),
        killed=sum(m.status in KILLED for m in counted),
        unlisted=tuple(m for m in counted if m.key in alive - reasons),
        stale=tuple(sorted(key for key in reasons - alive if key[0] in ran)),
    )


def reasons() -> dict[tuple[str, str, str], str]:
    """The survivors that are listed, and why."""
    groups = tomllib.loads(SURVIVORS.read_text("utf-8"))["survivors"]
    return {(group["of"], was, now): group["why"] for group in groups for was, now in group["mutants"]}


def planted(files: tuple[str, ...]) -> Iterator[Mutant]:
    """Every mutant that mutmut has made, of these files or of all."""
    for path in walk_mutatable_files():
        if files and str(path) not in files:
            continue
        data, spans = SourceFileMutationData(path=path), MutantLineSpans.load(path)
        data.load()
        if spans is None:
            continue
        names = [name.rpartition(".")[2] for name in data.exit_code_by_key]
        bases = sorted({name.rpartition("_")[0] for name in names})
        originals = dict(zip(bases, spans.read_function_sources([f"{b}_orig" for b in bases]), strict=True))
        for (key, code), name, mutant in zip(
            data.exit_code_by_key.items(), names, spans.read_function_sources(names), strict=True
        ):
            original = originals[name.rpartition("_")[0]]
            mutant = mutant.replace(name, f"{name.rpartition('_')[0]}_orig", 1)
            changed = [line for line in ndiff(original.splitlines(), mutant.splitlines()) if line[0] in "-+"]
            yield Mutant(
                file=str(path), function=_readable(key), status=status_by_exit_code[code],
                was="\n".join(line[2:].strip() for line in changed if line[0] == "-"),
                now="\n".join(line[2:].strip() for line in changed if line[0] == "+"),
                apart=set_apart(original, mutant),
            )  # fmt: skip


def _readable(key: str) -> str:
    """'a.b.xǁClassǁmethod__mutmut_3' -> 'a.b.Class.method'."""
    module, _, name = key.rpartition("__mutmut_")[0].rpartition(".")
    return f"{module}.{name[2:].replace('ǁ', '.') if name.startswith('xǁ') else name.removeprefix('x_')}"


def show(mutants: list[Mutant], verdict: Verdict) -> None:
    """A row a file, what is wrong, and the share in the last line."""
    columns = ("killed", "timeout", "segfault", "survived", "no tests", "suspicious", "not checked")
    click.echo(f"{'':44}" + "".join(f"{c:>12}" for c in (*columns, "set apart", "share")))
    for file in sorted({m.file for m in mutants}):
        own = [m for m in mutants if m.file == file]
        found = Counter(m.status for m in own if not m.apart)
        share = judge(own, ()).share
        numbers = "".join(f"{found[c]:>12}" for c in columns)
        click.echo(f"{file:44}{numbers}{sum(bool(m.apart) for m in own):>12}{share:>11.1%}")
    for mutant in verdict.unlisted:
        click.echo(f"\n{mutant.status}: {mutant.function}\n  - {mutant.was}\n  + {mutant.now}")
    for function, was, now in verdict.stale:
        click.echo(f"\nlisted, and no survivor: {function}\n  - {was}\n  + {now}")
    apart = Counter(m.apart for m in mutants if m.apart)
    click.echo("\nset apart: " + (", ".join(f"{n} {why}" for why, n in sorted(apart.items())) or "nothing"))
    waiting = sum(m.status == "not checked" for m in mutants)
    click.echo(f"survivors: {verdict.counted - verdict.killed}, of them without a reason: {len(verdict.unlisted)}")
    click.echo(
        f"{'holds' if verdict.holds else 'fails'}: {verdict.killed} of {verdict.counted} killed, {verdict.share:.1%}"
        + (f"; {waiting} have not run" if waiting else "")
    )


@click.command()
@click.argument("files", nargs=-1)
@click.option("--judge", "only_judge", is_flag=True, help="Run nothing: judge what has run.")
@click.option("--children", default=1, show_default=True, help="How many processes run tests side by side.")
def main(files: tuple[str, ...], only_judge: bool, children: int) -> None:
    """Plant errors in FILES (else in all that pyproject.toml names) and see that the tests find them."""
    patterns = [f"{file.removesuffix('.py').replace('/', '.')}.x*" for file in files]
    warm = [sys.executable, Path(__file__).with_name("warm.py")]
    if not only_judge and subprocess.run([*warm, "run", "--max-children", str(children), *patterns]).returncode:
        raise click.ClickException("mutmut could not run: its output above says why")
    mutants = list(planted(files))
    verdict = judge(mutants, reasons())
    show(mutants, verdict)
    sys.exit(not verdict.holds)


if __name__ == "__main__":
    main()
