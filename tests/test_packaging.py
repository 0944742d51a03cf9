"""What a stranger installs: every requirement pinned, every name in place."""

from __future__ import annotations

import json
import re
import tomllib
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from packaging.requirements import Requirement

import weight_mapping
from harness.commands import doctor

ROOT = Path(__file__).resolve().parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _pins() -> dict[str, str]:
    lines = (
        line for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines() if line and line[0] != "#"
    )
    return {_canonical(name): version for name, version in (line.split("==") for line in lines)}


def _required() -> set[str]:
    """Every distribution that `make` installs, here and now: what each extra brings that is not left to the user."""
    extras = {
        name: lines
        for name, lines in PROJECT["optional-dependencies"].items()
        if name not in ("all", "openvino", "fuzz")
    }
    waiting = [*PROJECT["dependencies"], *(line for lines in extras.values() for line in lines)]
    found: set[str] = set()
    while waiting:
        requirement = Requirement(waiting.pop())
        name = _canonical(requirement.name)
        if name in found or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        found.add(name)
        waiting += metadata.requires(name) or []
    return found


def test_every_requirement_is_pinned_to_what_the_tests_run_with() -> None:
    pins = _pins()
    # What `pip freeze` leaves out: pip's own tools.
    assert _required() - pins.keys() - {"pip", "setuptools", "wheel"} == set()
    installed = {name: metadata.version(name).split("+")[0] for name in _required() & pins.keys()}
    assert installed == {name: pins[name] for name in installed}


def test_the_installed_command_and_plugin_are_these() -> None:
    entries = metadata.distribution("lstm-parity").entry_points
    assert {(e.group, e.name, e.value) for e in entries} == {
        ("console_scripts", "lstm-parity", "harness.cli:main"),
        ("pytest11", "lstm_parity", "harness.pytest_plugin"),
    }
    assert all(callable(e.load()) or e.group == "pytest11" for e in entries)
    assert metadata.version("lstm-parity") == weight_mapping.__version__


def test_the_changelog_knows_this_version() -> None:
    assert f"## [{weight_mapping.__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_continuous_integration_runs_what_the_makefile_has() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for script in (".ci/run", ".github/workflows/test.yml"):
        called = re.findall(r"\bmake ([a-z]+)$", (ROOT / script).read_text(encoding="utf-8"), re.MULTILINE)
        assert called == ["test", "smoke"]
        assert set(called) <= targets


@pytest.mark.parametrize("name", doctor.PACKAGES)
def test_doctor_names_who_else_takes_a_name_of_ours(name: str) -> None:
    assert doctor.clashes({}) == {}
    assert doctor.clashes({name: [doctor.DISTRIBUTION]}) == {}
    found = doctor.clashes({name: [doctor.DISTRIBUTION, "other-things"]})
    assert found.keys() == {name}
    assert "pip uninstall other-things" in found[name]


def test_doctor_sees_a_package_that_is_imported_from_elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    real = doctor.importlib.util.find_spec

    def elsewhere(name: str) -> Any:
        return SimpleNamespace(origin=str(tmp_path / "reports" / "__init__.py")) if name == "reports" else real(name)

    monkeypatch.setattr(doctor.importlib.util, "find_spec", elsewhere)
    assert str(tmp_path) in doctor.clashes({})["reports"]


def test_doctor_reads_the_requirements_from_the_metadata() -> None:
    known = dict(doctor.requirements())
    assert known["numpy"] == metadata.version("numpy")
    assert {"torch", "tensorflow", "tf-keras"} <= known.keys()


def test_doctor_without_a_compiler_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (found := doctor.compiler()) is None or "\n" not in doctor.version(found[0])
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    assert doctor.compiler() is None


@pytest.mark.parametrize(
    ("url", "command"),
    [
        (None, "pip install 'lstm-parity[onnx]'"),
        ("https://index/lstm_parity.whl", "pip install 'lstm-parity[onnx]'"),
        ("file://{}", "pip install -c '{0}/constraints.txt' -e '{0}[onnx]'"),
    ],
)
def test_doctor_installs_from_where_it_came_from(
    url: str | None, command: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    home = tmp_path / "its folder"
    home.mkdir()
    (home / "constraints.txt").touch()
    told = url and json.dumps({"url": url.format(str(home).replace(" ", "%20")), "dir_info": {}, "x": 1})
    told = told and told.replace('"dir_info": {}', '"dir_info": {"editable": true}' if "file" in told else '"x": 0')
    monkeypatch.setattr(doctor.metadata, "distribution", lambda _: SimpleNamespace(read_text=lambda _: told))
    assert doctor.install("onnx") == command.format(home)


def test_doctor_says_what_brings_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    real = doctor._version
    monkeypatch.setattr(doctor, "_version", lambda name: None if name in ("torch", "numpy") else real(name))
    monkeypatch.setattr(doctor, "compiler", lambda: None)
    found = doctor.missing()
    optional = {"openvino", "atheris"}  # which `make` leaves to the user
    assert found["torch"] == doctor.install("torch") and found["numpy"] == doctor.install("")
    assert found.keys() - optional == {"torch", "numpy", "a C++ compiler"}
