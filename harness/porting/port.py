"""One file ported: read, proved, and written as a folder, or refused with nothing written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from harness import conventions, environment
from harness.porting import affordable, proving, targets
from harness.porting.described import described
from harness.porting.request import Request
from harness.porting.seal import PROOF, sealed
from harness.reading import confined
from harness.results import HOLDS, Case, Results, to_json
from weight_mapping.errors import Unsupported, shown
from weight_mapping.files.atomic import write_text
from weight_mapping.spec import Custom, leaves
from weight_mapping.weights import Portable


def port_file(file: Path, config: Path | None, output: Path, request: Request, *, command: str) -> Results:
    """Port `file` into the folder `output`: the model, spec.json, proof.json, results.json and report.html, written
    only once the proof is there. `command` is what the page says made it. Raises PortingError."""
    target = targets.named(request.target)
    portable = confined.load(
        file,
        config,
        layers_only=request.layers_only,
        trusted=request.trusted,
        meanwhile=partial(_import_ahead, target, request),
    )
    _refuse_custom(portable)
    answer: list[Any] = []
    if (request.proof or target.runs(request)) and not request.trusted:
        answer = affordable.check(portable, confined.stored(file), twice=request.standalone, seed=request.seed)
    port = target.port(portable, request)
    proved = targets.Proved()
    if request.proof:
        proved = port.prove(partial(_prove, portable, request, seed=request.seed, command=command, answer=answer))
    untried = port.untried if request.proof else {"proof": "--no-proof was given"}
    results = _results(portable, proved, command, untried)
    if config:
        results = replace(results, port={**results.port, "configuration": str(config)})
    texts = _texts(results, portable)
    with _folder(output):
        written = [*port.write(output), *texts]
        for name, text in texts.items():
            write_text(output / name, text)
        write_text(output / PROOF, sealed(proof(results), output, written))
    return results


def _import_ahead(target: targets.Target, request: Request) -> None:
    """What the rest of a port takes longest to import, while another process reads the file."""
    import reports.render  # noqa: F401

    if request.proof:
        with suppress(ImportError):  # the proof says so
            target.ahead()


def _prove(portable: Portable, request: Request, *outputs: proving.Outputs, **options: Any) -> Case:
    with affordable.limited(portable, trusted=request.trusted):
        return proving.prove(portable, *outputs, **options)


@contextmanager
def _folder(path: Path) -> Iterator[None]:
    """The folder, made if need be, and gone again where nothing came to stand in it."""
    made = not path.exists()
    path.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        if made and not any(path.iterdir()):
            path.rmdir()


def write_refusal(output: Path, told: Mapping[str, Any], command: str) -> None:
    """The page of a file that was not ported, in the folder `output`: `told` is what there is to say of it."""
    from reports import render

    results = Results(
        kind="port", command=command, environment=environment.describe(), port=told,
        not_measured={"proof": "the file was not ported"},
    )  # fmt: skip
    write_text(output / "report.html", render.page(results))


def _refuse_custom(portable: Portable) -> None:
    """Raise Unsupported where there are layers that only their author has."""
    customs = [(path, leaf) for path, leaf in leaves(portable.spec) if isinstance(leaf, Custom)]
    if not customs:
        return
    path, first = customs[0]
    raise Unsupported(
        first.refusal, where=shown("/".join(path)), class_name=first.class_name,
        also=tuple({leaf.class_name for _, leaf in customs} - {first.class_name}),
        way_out="--layers-only ports the recurrent layers around it; in Python, "
        f"weight_mapping.torch.build(portable, custom={{{shown(first.class_name)!r}: module}}) takes yours.",
    )  # fmt: skip


def reproduces(results: Results) -> bool:
    """Whether the proof fails nowhere and holds somewhere: where float32 is chaotic, float64 has judged."""
    verdicts = {a.verdict for case in results.cases for a in case.agreements}
    return results.verdict == HOLDS and HOLDS in verdicts


def _results(portable: Portable, proved: targets.Proved, command: str, untried: Mapping[str, str]) -> Results:
    case = proved.case
    told = described(portable, proved.modules, proved.arrays)
    told["proof"] = {
        a.check: f"{a.verdict}: error {a.error:.3g}, bound {a.bound:.3g} {a.unit}; {a.reason}"
        for a in (case.agreements if case else ())
    }
    left_out = {**untried, "speed": "a port is not timed; see lstm-parity bench"}
    return Results(
        kind="port", command=command, environment=environment.describe(), cases=(case,) if case else (),
        planned=("port",) if case else (), port=told, not_measured=left_out,
        conventions=conventions.told(case.conventions if case else ()),
    )  # fmt: skip


def proof(results: Results) -> dict[str, Any]:
    """proof.json: the file's and every array's SHA-256, and each comparison with its bound."""
    told = results.port
    return {
        "schema": results.schema, "command": results.command, "environment": dict(results.environment),
        "file": {key: told[key] for key in ("file", "sha256", "container", "keras_version", "backend")},
        "arrays": {row["array"]: row["sha256"] for row in told["weights"]},
        "resolved": told["resolved"], "warnings": told["warnings"],
        "checks": [asdict(a) for case in results.cases for a in case.agreements],
        "verdict": results.verdict if results.cases else "not measured",
    }  # fmt: skip


def _texts(results: Results, portable: Portable) -> dict[str, str]:
    """Every text file of a port but proof.json, made before the first one is written."""
    from reports import render
    from weight_mapping.exchange import to_json as spec_json

    return {
        "spec.json": spec_json(portable),
        "results.json": to_json(results),
        "report.html": render.page(results),
    }
