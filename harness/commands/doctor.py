"""`lstm-parity doctor`: what is installed, what can be measured here and what not, and what clashes."""

from __future__ import annotations

import importlib
import importlib.util
import json
import re
import shlex
import sys
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import click

from weight_mapping.compiler import compiler, version

DISTRIBUTION = "lstm-parity"
PACKAGES = ("harness", "weight_mapping", "reports")
"""Our top-level names. `harness` and `reports` are generic, and other distributions on PyPI install them too."""


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="The findings as JSON.")
def command(as_json: bool) -> int:
    """Look at this installation. Exit code 1 where another distribution takes one of our names, else 0.

    \b
    lstm-parity doctor
    lstm-parity doctor --json
    """
    from harness.bench import plan
    from harness.quiet import quiet

    with quiet():  # of what the frameworks say while they are asked for their devices
        measured = {device: plan.obstacles(device) for device in plan.DEVICES}
    findings = {
        "python": sys.version.split()[0],
        "installed": dict(requirements()),
        "missing": missing(),
        "compiler": version(found[0]) if (found := compiler()) else None,
        "kernel": kernel(),
        "measured": measured,
        "clashes": clashes(metadata.packages_distributions()),
    }
    click.echo(json.dumps(findings, indent=1) if as_json else "\n".join(_lines(findings)))
    return int(bool(findings["clashes"]))


def missing() -> dict[str, str]:
    """By the name of what is not installed: the command that brings it."""
    extra = extras()
    absent = [name for name, version in requirements() if version is None]
    found = {name: install(extra[name]) for name in absent}
    return found if compiler() else {**found, "a C++ compiler": "apt install g++, or name one by CXX"}


def install(extra: str) -> str:
    """The command that brings an extra: from the folder that this installation came from, at its tested versions, if it
    came from one."""
    asked = f"[{extra}]" if extra else ""
    try:
        said = json.loads(metadata.distribution(DISTRIBUTION).read_text("direct_url.json") or "{}")
    except metadata.PackageNotFoundError:
        said = {}
    home = Path(unquote(urlsplit(str(said.get("url", ""))).path))
    pins = home / "constraints.txt"
    if not said.get("dir_info") or not pins.exists():
        return f"pip install '{DISTRIBUTION}{asked}'"
    return shlex.join(["pip", "install", "-c", str(pins), "-e", f"{home}{asked}"])


def requirements() -> Iterator[tuple[str, str | None]]:
    """Every distribution that ours can use, from its own metadata, and the version that is installed."""
    yield from ((name, _version(name)) for name in extras())


def extras() -> dict[str, str]:
    """Every distribution that ours can use, with the extra that brings it first; '' for one that always comes."""
    found: dict[str, str] = {}
    for line in metadata.requires(DISTRIBUTION) or ():
        asked, name = re.search(r"extra == ['\"](\w+)['\"]", line), _distribution(line)
        if not (asked and asked[1] == "all"):  # which repeats what the others bring
            found.setdefault(name, asked[1] if asked else "")
    return found


def _distribution(requirement: str) -> str:
    """The name at the start of a requirement such as "torch>=2.10; extra == 'torch'"."""
    return requirement[: re.search(r"[^\w.-]|$", requirement).start()]  # type: ignore[union-attr]


def kernel() -> dict[str, Any]:
    """By device: whether the compiled cells run in PyTorch there ('runs'), and 'why'; the first time this compiles
    them."""
    try:
        return importlib.import_module("harness.backends.timing_torch").kernel()
    except ImportError as error:
        return {"cpu": {"runs": False, "why": f"{error.name} is not installed"}}


def clashes(providers: Mapping[str, list[str]]) -> dict[str, str]:
    """By our names: what else claims it, and the way out. `providers` as `packages_distributions()` gives them."""
    found: dict[str, str] = {}
    home = Path(__file__).resolve().parents[2]
    for package in PACKAGES:
        others = sorted(set(providers.get(package, ())) - {DISTRIBUTION})
        spec = importlib.util.find_spec(package)
        place = Path(spec.origin).resolve().parents[1] if spec and spec.origin else None
        if others:
            found[package] = (
                f"also installed by {', '.join(others)}; pip uninstall {' '.join(others)}, then install ours again"
            )
        elif place != home:
            found[package] = f"imported from {place}, not from {home}; take the first off the import path"
    return found


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _path(kernel: Mapping[str, Any]) -> str:
    return f"{'compiled' if kernel['runs'] else 'step by step in PyTorch'} ({kernel['why']})"


def _lines(findings: Mapping[str, Any]) -> Iterator[str]:
    yield f"Python {findings['python']}, {DISTRIBUTION} {_version(DISTRIBUTION) or 'run from its sources'}"
    yield f"C++ compiler: {findings['compiler'] or 'none'}"
    yield "Recurrent cells that nn.LSTM can't express:"
    yield from (f"  on {device}: {_path(kernel)}" for device, kernel in findings["kernel"].items())
    yield "\nInstalled"
    yield from _by_extra({name: f"{name} {version}" for name, version in findings["installed"].items() if version})
    yield from ["\nMissing, and what brings it"] if findings["missing"] else ["\nNothing is missing"]
    remedies: dict[str, list[str]] = {}
    for name, remedy in findings["missing"].items():
        remedies.setdefault(remedy, []).append(name)
    yield from (f"  {', '.join(names)}: {remedy}" for remedy, names in remedies.items())
    for device, obstacles in findings["measured"].items():
        by_reason: dict[str | None, list[str]] = {}
        for name, reason in obstacles.items():
            by_reason.setdefault(reason, []).append(name)
        for reason, names in by_reason.items():
            yield f"\n{'Not measured' if reason else 'Measured'} on {device}{f' ({reason})' if reason else ''}"
            yield from (f"  {name}" for name in names)
    yield "" if findings["clashes"] else "\nNo clash of names"
    yield from (f"CLASH: {name} is {problem}" for name, problem in findings["clashes"].items())


def _by_extra(told: Mapping[str, str]) -> Iterator[str]:
    """A line for each extra that anything of it is told of."""
    lines: dict[str, list[str]] = {}
    for name, extra in extras().items():
        if name in told:
            lines.setdefault(extra or "always", []).append(told[name])
    width = max(map(len, lines), default=0)
    yield from (f"  {extra:{width}}  {', '.join(each)}" for extra, each in lines.items())
