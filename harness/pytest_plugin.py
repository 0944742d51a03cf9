"""The pytest plugin: the fixtures `parity` and `parity_pair`, the marker `parity`, and options that all begin so.

Importing it imports no framework: pytest loads it in every project where lstm-parity is installed. Under pytest-xdist
every worker sends its records to the controller, which alone writes files.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from harness.backends.fresh_pair import Pair
    from harness.results import Case, Results

_SENT = "lstm_parity"


@dataclass(frozen=True, slots=True)
class Setting:
    """A key of the ini file, and the same as an option; the option wins. `read` takes the text or raises ValueError."""

    name: str
    metavar: str
    read: Callable[[str], Any]
    help: str


def _positive(text: str) -> float:
    if not 0 < float(text) < float("inf"):
        raise ValueError(text)
    return float(text)


def _fate(text: str) -> str:
    if text not in ("skip", "fail"):
        raise ValueError(text)
    return text


SETTINGS = (
    Setting("parity_report", "PATH", Path, "Write an HTML page of every comparison of the session."),
    Setting("parity_results", "PATH", Path, "Write results.json of it, for `lstm-parity report`."),
    Setting("parity_seed", "N", int, "Of the random gradients and targets of `parity`, and of `parity_pair`."),
    Setting("parity_tolerance", "X", _positive, "Greatest relative difference, in place of the derived bounds."),
    Setting("parity_chaotic", "skip|fail", _fate, "What a pair does that amplifies rounding beyond judgement: skip."),
)
MARKED = ("states", "gradients", "training", "tolerance", "seed")
"""What the marker may set for a test: arguments of `parity`."""


class Record:
    """What this process has begun to compare, and what it found. A comparison that never ended stays planned."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.settings = settings
        self.planned: list[str] = []
        self.cases: list[Case] = []

    @property
    def defaults(self) -> dict[str, Any]:
        """The arguments of `parity` that the session sets."""
        chosen = {"seed": self.settings["parity_seed"], "tolerance": self.settings["parity_tolerance"]}
        return {name: value for name, value in chosen.items() if value is not None}

    def results(self, config: pytest.Config) -> Results:
        from harness import environment
        from harness.results import Results

        return Results(
            kind="verify", command=shlex.join(["pytest", *map(str, config.invocation_params.args)]),
            environment=environment.describe(), cases=tuple(self.cases), planned=tuple(self.planned),
        )  # fmt: skip


_RECORD = pytest.StashKey[Record]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("lstm-parity", "Keras against PyTorch")
    for setting in SETTINGS:
        group.addoption(f"--{setting.name.replace('_', '-')}", metavar=setting.metavar, help=setting.help)
        parser.addini(setting.name, setting.help)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        f"parity({', '.join(f'{name}=…' for name in MARKED)}): what `parity` is to do in this test unless it is told "
        "otherwise; every test that uses the fixture has this marker.",
    )
    settings = {setting.name: _setting(config, setting) for setting in SETTINGS}
    config.stash[_RECORD] = Record(settings)
    for name in ("parity_report", "parity_results"):
        path: Path | None = settings[name]
        if path is not None and path.is_dir():
            raise pytest.UsageError(f"{name}: {path} is a folder; name a file, such as {path / 'parity.html'}")


def _setting(config: pytest.Config, setting: Setting) -> Any:
    """What the option says, or the ini file, whose paths are relative to where it lies; None where neither does."""
    option, key = config.getoption(setting.name), config.getini(setting.name)
    text = option or key
    try:
        value = setting.read(text) if text else None
        return config.rootpath / value if isinstance(value, Path) and not option else value
    except ValueError:
        raise pytest.UsageError(f"{setting.name}: {text!r}; expected {setting.metavar}") from None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """`-m parity` chooses the tests that compare."""
    for item in items:
        if "parity" in getattr(item, "fixturenames", ()) and item.get_closest_marker("parity") is None:
            item.add_marker(pytest.mark.parity)


@pytest.fixture
def parity(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> Callable[..., Case]:
    """`parity(keras_model, torch_module, x, *, states=None, gradients=False, training=False, tolerance=None, seed=0)`:
    fail the test unless both compute the same; see `harness.parity.compare`. Gives the figures, as a
    `harness.results.Case`."""
    record = request.config.stash[_RECORD]
    defaults = {**record.defaults, **_marked(request.node)}

    def compare(keras_model: Any, torch_module: Any, x: Any, **options: Any) -> Case:
        __tracebackhide__ = True
        from harness import parity
        from harness.results import CHAOTIC, FAILS

        node = request.node.nodeid
        name = f"{node} #{1 + sum(i.startswith(f'{node} #') for i in record.planned)}"
        record.planned.append(name)
        found = parity.compare(
            keras_model, torch_module, x, id=name, repeat=_repeat(record, node), **{**defaults, **options}
        )
        record.cases.append(found.case)
        _tell(found.case, request, record_property)
        if found.case.verdict == FAILS:
            pytest.fail(parity.message(found), pytrace=True)
        if found.case.verdict == CHAOTIC:
            end = pytest.fail if record.settings["parity_chaotic"] == "fail" else pytest.skip
            end(f"chaotic, neither passed nor failed\n{parity.message(found)}")
        return found.case

    return compare


@pytest.fixture
def parity_pair(request: pytest.FixtureRequest) -> Callable[..., Pair]:
    """`parity_pair(kind="lstm", *, units=4, …)`: a Keras layer and a PyTorch module that compute the same, an input and
    states for both; see `harness.backends.fresh_pair.pair`. Something to damage, and to see `parity` fail."""
    seed = request.config.stash[_RECORD].settings["parity_seed"]

    def make(kind: str = "lstm", **options: Any) -> Pair:
        from harness.backends.fresh_pair import pair

        return pair(kind, **{**({} if seed is None else {"seed": seed}), **options})

    return make


def _marked(node: pytest.Item) -> dict[str, Any]:
    """What the markers of a test say, the nearest last."""
    markers = list(node.iter_markers("parity"))[::-1]
    given: dict[str, Any] = {name: value for marker in markers for name, value in marker.kwargs.items()}
    unknown = sorted(given.keys() - set(MARKED))
    if unknown or any(marker.args for marker in markers):
        raise pytest.UsageError(f"marker parity: {', '.join(unknown) or 'arguments without a name'}; known: {MARKED}")
    return given


def _repeat(record: Record, node: str) -> str:
    given = {
        f"--{name.replace('_', '-')}={record.settings[name]}"
        for name in ("parity_seed", "parity_tolerance")
        if record.settings[name] is not None
    }
    return shlex.join(["pytest", node, *sorted(given)])


def _tell(case: Case, request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> None:
    """The figures, for a JUnit file and beside a benchmark's times."""
    for agreed in case.agreements:
        text = f"{agreed.verdict}: error {agreed.error:.4g} {agreed.unit}, bound {agreed.bound:.4g} {agreed.unit}"
        record_property(f"parity {agreed.check}", text)
        if "benchmark" in request.fixturenames:
            figures = {"verdict": agreed.verdict, "error": agreed.error, "bound": agreed.bound, "unit": agreed.unit}
            request.getfixturevalue("benchmark").extra_info[f"parity {agreed.check}"] = figures


def pytest_sessionfinish(session: pytest.Session) -> None:
    config = session.config
    record = config.stash[_RECORD]
    if hasattr(config, "workeroutput"):
        config.workeroutput[_SENT] = _as_json(record.results(config)) if record.planned else ""
        return
    page, data = record.settings["parity_report"], record.settings["parity_results"]
    if page is not None:
        from reports import render
        from weight_mapping.files.atomic import write_text

        write_text(page, render.page(record.results(config)))
    if data is not None:
        from weight_mapping.files.atomic import write_text

        write_text(data, _as_json(record.results(config)))


def _as_json(results: Results) -> str:
    from harness.results import to_json

    return to_json(results)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """A worker of pytest-xdist has ended: take its records. One that broke down leaves a gap that is no pass."""
    record = node.config.stash[_RECORD]
    sent = getattr(node, "workeroutput", {}).get(_SENT)
    if sent is None or error:
        record.planned.append(f"what worker {node.gateway.id} compared before it broke down")
    if sent:
        from harness.results import from_json

        results = from_json(sent)
        record.planned += results.planned
        record.cases += results.cases


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    record = config.stash[_RECORD]
    for name in ("parity_report", "parity_results"):
        if record.settings[name] is not None:
            results = record.results(config)
            told = f"{len(results.cases)} comparisons, {results.verdict}"
            terminalreporter.write_line(f"{name.replace('_', ' ')}: {record.settings[name]}: {told}")
