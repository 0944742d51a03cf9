"""Who may import whom: read off the source of every module, not off what happens to be loaded."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("weight_mapping", "harness", "reports")
FRAMEWORKS = {"torch", "tensorflow", "keras", "tf_keras", "jax", "onnx", "onnxruntime", "openvino"}
PAGE_WRITERS = ("harness.cli", "harness.pytest_plugin", "harness.porting.port", "harness.folder.page")
RECORDS = ("harness.results", *(f"harness.bench.{name}" for name in ("intervals", "speed", "work", "growth")))
READERS = {"pyfive", "h5py", "safetensors", "ml_dtypes"}


@dataclass(frozen=True)
class Import:
    """One import statement: in `module`, of `target` (a full dotted name), at the top level or inside a function."""

    module: str
    target: str
    line: int
    inside: bool

    @property
    def root(self) -> str:
        return self.target.split(".")[0]

    def of(self, *packages: str) -> bool:
        return any(self.target == package or self.target.startswith(f"{package}.") for package in packages)

    def __str__(self) -> str:
        return f"{self.module}:{self.line} imports {self.target}{' inside a function' if self.inside else ''}"


def _imports(path: Path) -> Iterator[Import]:
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for_types = {inner for node in ast.walk(tree) if _is_for_types(node) for inner in ast.walk(node)}
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    within = {inner for function in functions for inner in ast.walk(function)}
    for node in ast.walk(tree):
        if node in for_types:
            continue
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = ".".join([*module.split(".")[: -node.level], *([base] if base else [])])
            # `from package import name`: the name may be a module.
            targets = [f"{base}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (Import(module, target, node.lineno, node in within) for target in targets)


def _is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


ALL = [found for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py")) for found in _imports(path)]


def _refused(found: Import) -> str | None:
    """Why the rules of dependency refuse this import, or None."""
    module = found.module
    if module.startswith("weight_mapping"):
        return _refused_in_mapping(found)
    if module.startswith("harness.backends"):
        if found.root == "onnxruntime" and module != "harness.backends.runtime_onnx":
            return "ONNX Runtime is imported where its telemetry is switched off first"
        return "only cli.py and the commands may import reports" if found.of("reports") else None
    if module.startswith("harness"):
        if found.root in FRAMEWORKS or (found.of("weight_mapping.torch") and not found.inside):
            return "the harness reaches frameworks through harness/backends only"
        # The commands, the plugin and a port write pages, and import reports when they do.
        writes_pages = module.startswith("harness.commands.") or module in PAGE_WRITERS
        if found.of("reports") and not (writes_pages and found.inside):
            return "only what writes a page may import reports, inside a function"
        return None
    if found.of("harness") and not found.of(*RECORDS):
        return "reports know the records and the statistics of timings, nothing else of the harness"
    allowed = {*sys.stdlib_module_names, "reports", "harness", "jinja2", "markupsafe", "matplotlib"}
    return None if found.root in allowed else f"reports may not import {found.root}"


def _refused_in_mapping(found: Import) -> str | None:
    own = {"torch": "weight_mapping.torch", "keras": "weight_mapping.keras", "onnx": "weight_mapping.onnx"}
    side = next(
        (name for name, module in own.items() if found.module == module or found.module.startswith(f"{module}.")), None
    )
    files = found.module.startswith("weight_mapping.files")
    if found.of("harness", "reports"):
        return "the mapping knows nothing of the harness"
    gpu = "weight_mapping.torch.kernel.gpu"
    if found.of(gpu) and not (found.module.startswith(gpu) or found.inside):
        return "Triton is imported where a GPU asks for it"
    if any(found.of(module) for name, module in own.items() if name != side):
        return "the core and the sides of other frameworks don't know this one"
    if found.root in {*sys.stdlib_module_names, "numpy", "weight_mapping"} or found.root == side:
        return None
    if found.root == "triton" and found.module.startswith("weight_mapping.torch.kernel.gpu."):
        return None
    if files and found.root in READERS:
        return None if found.inside else "file readers are imported inside the function that needs them"
    if files and found.inside and found.root in ("torch", "tensorflow"):
        return None  # the only readers of a .pt file and of a TensorFlow checkpoint
    return f"{found.root} is none of this module's"


@pytest.mark.parametrize("package", PACKAGES)
def test_every_import_follows_the_rules_of_dependency(package: str) -> None:
    own = [found for found in ALL if found.module.split(".")[0] == package]
    assert own, f"no import found in {package}: is the walk right?"
    assert [f"{found}: {why}" for found in own if (why := _refused(found))] == []


@pytest.mark.parametrize(
    ("module", "target", "inside"),
    [
        ("weight_mapping.spec", "torch", True),
        ("weight_mapping.oracle.model", "harness.results", False),
        ("weight_mapping.packing", "weight_mapping.torch.build", True),
        ("weight_mapping.torch.model", "keras", False),
        ("weight_mapping.torch.cells", "triton", True),
        ("weight_mapping.torch.kernel.operators", "weight_mapping.torch.kernel.gpu.running", False),
        ("weight_mapping.keras", "weight_mapping.torch", False),
        ("weight_mapping.files.hdf5", "pyfive", False),
        ("weight_mapping.files.hdf5", "keras", True),
        ("harness.check", "torch.nn", True),
        ("harness.backends.timing_onnx", "onnxruntime", False),
        ("harness.check", "weight_mapping.torch", False),
        ("harness.compare", "reports.render", True),
        ("harness.commands.verify", "reports.render", False),
        ("reports.render", "harness.cases", False),
        ("reports.render", "numpy", False),
        ("reports.render", "torch", True),
    ],
)
def test_a_forbidden_import_is_refused(module: str, target: str, inside: bool) -> None:
    assert _refused(Import(module, target, 1, inside))


def test_the_walk_sees_every_form_of_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ["import a.b", "from c import d", "if x: import e", "def f():", "    from g import h", "from . import i"]
    source = "\n".join([*lines, "from .j import k", ""])
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "module.py").write_text(source)
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    found = {(one.target, one.inside) for one in _imports(tmp_path / "package" / "module.py")}
    outside = {"a.b", "c.d", "e", "package.i", "package.j.k"}
    assert found == {(name, False) for name in outside} | {("g.h", True)}


def _loaded(script: str) -> set[str]:
    """The top-level modules loaded in a fresh interpreter after the script."""
    shown = f"{script}\nimport sys\nprint('LOADED', *{{name.split('.')[0] for name in sys.modules}})"
    ran = subprocess.run([sys.executable, "-c", shown], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return set(ran.stdout.rsplit("LOADED", 1)[1].split())


def test_importing_the_library_imports_no_framework_and_no_reader() -> None:
    assert "numpy" not in _loaded("import weight_mapping")
    loaded = _loaded("from weight_mapping import load, save, pack, oracle")
    assert "numpy" in loaded
    assert not (FRAMEWORKS | READERS | {"harness", "reports", "matplotlib", "jinja2"}) & loaded


def _command(*arguments: str) -> str:
    run = f"try:\n    main({list(arguments)!r})\nexcept SystemExit as ended:\n    assert not ended.code, ended.code"
    return f"from harness.cli import main\n{run}"


def test_help_imports_nothing_that_it_does_not_use() -> None:
    assert not (FRAMEWORKS | READERS | {"matplotlib", "jinja2", "rich"}) & _loaded(_command("--help"))


def test_inspect_imports_no_framework() -> None:
    golden = sorted((ROOT / "tests" / "golden").rglob("*lstm*.h5"))
    if not golden:
        pytest.skip("there is no LSTM file in tests/golden")
    assert not FRAMEWORKS & _loaded(_command("inspect", str(golden[0])))
