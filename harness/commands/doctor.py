"""`lstm-parity doctor`: what is installed, what can be measured here and what not, and what clashes."""

from __future__ import annotations

import importlib
import importlib.util
import json
import re
import sys
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import click

from weight_mapping.compiler import compiler

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
    from harness import bench

    findings = {
        "python": sys.version.split()[0],
        "installed": dict(requirements()),
        "missing": missing(),
        "compiler": found[1] if (found := compiler()) else None,
        "kernel": kernel(),
        "measured": {device: bench.obstacles(device) for device in bench.DEVICES},
        "clashes": clashes(metadata.packages_distributions()),
    }
    click.echo(json.dumps(findings, indent=1) if as_json else "\n".join(_lines(findings)))
    return int(bool(findings["clashes"]))


def missing() -> dict[str, str]:
    """By the name of what is not installed: the command that brings it."""
    extra: dict[str, str] = {}
    for line in metadata.requires(DISTRIBUTION) or ():
        asked = re.search(r"extra == ['\"](\w+)['\"]", line)
        if not asked or asked[1] != "all":  # which repeats what the others bring
            extra.setdefault(_distribution(line), f"[{asked[1]}]" if asked else "")
    absent = [name for name, version in requirements() if version is None]
    found = {name: f"pip install '{DISTRIBUTION}{extra[name]}'" for name in absent}
    return found if compiler() else {**found, "a C++ compiler": "apt install g++, or name one by CXX"}


def requirements() -> Iterator[tuple[str, str | None]]:
    """Every distribution that ours can use, from its own metadata, and the version that is installed."""
    for name in dict.fromkeys(map(_distribution, metadata.requires(DISTRIBUTION) or ())):
        if name != DISTRIBUTION:
            yield name, _version(name)


def _distribution(requirement: str) -> str:
    """The name at the start of a requirement such as "torch>=2.10; extra == 'torch'"."""
    return requirement[: re.search(r"[^\w.-]|$", requirement).start()]  # type: ignore[union-attr]


def kernel() -> dict[str, Any]:
    """Whether the compiled cells run in PyTorch ('runs'), and 'why'; the first time this compiles them."""
    try:
        return importlib.import_module("harness.backends.timing_torch").kernel()
    except ImportError as error:
        return {"runs": False, "why": f"{error.name} is not installed"}


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
    yield f"Recurrent cells that nn.LSTM can't express: {_path(findings['kernel'])}"
    yield "\nInstalled"
    yield from (f"  {name} {version}" for name, version in findings["installed"].items() if version)
    yield from ["\nMissing"] if findings["missing"] else ["\nNothing is missing"]
    yield from (f"  {name}: {remedy}" for name, remedy in findings["missing"].items())
    for device, obstacles in findings["measured"].items():
        by_reason: dict[str | None, list[str]] = {}
        for name, reason in obstacles.items():
            by_reason.setdefault(reason, []).append(name)
        for reason, names in by_reason.items():
            yield f"\n{'Not measured' if reason else 'Measured'} on {device}{f' ({reason})' if reason else ''}"
            yield from (f"  {name}" for name in names)
    yield "" if findings["clashes"] else "\nNo clash of names"
    yield from (f"CLASH: {name} is {problem}" for name, problem in findings["clashes"].items())
