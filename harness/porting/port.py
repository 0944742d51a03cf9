"""One file ported: read, proved, and written as a folder, or refused with nothing written."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from harness import conventions, environment
from harness.porting import affordable, proving
from harness.porting.described import described
from harness.porting.seal import PROOF, sealed
from harness.reading import confined
from harness.results import HOLDS, Case, Results, to_json, write_text
from weight_mapping.errors import PortingError, Unsupported, shown
from weight_mapping.spec import Custom, leaves
from weight_mapping.weights import Portable

TARGETS = {"torch": "safetensors", "keras": "keras", "onnx": "onnx"}
"""What a file can be ported to, and the suffix of the model there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a port is asked to be. `keras`: the generation to write for, where `target` is keras and one was named.
    `seed`: of the proof's inputs. `trusted`: whether the file is read in this process, without limits. `suffix`: of the
    model, where not the target's usual one."""

    target: str = "torch"
    keras: int | None = None
    layers_only: bool = False
    standalone: bool = False
    proof: bool = True
    seed: int = 0
    trusted: bool = False
    suffix: str = ""

    @property
    def model(self) -> str:
        """The name of the file that holds the ported model."""
        return f"model.{self.suffix or TARGETS[self.target]}"

    def options(self) -> list[str]:
        """The command's options that ask for this."""
        given = {
            "--to": self.target != "torch" and self.target, "--keras": self.keras, "--layers-only": self.layers_only,
            "--standalone": self.standalone, "--no-proof": not self.proof, "--seed": self.seed,
            "--trusted": self.trusted,
        }  # fmt: skip
        return [
            part for name, value in given.items() if value for part in ([name] if value is True else [name, f"{value}"])
        ]


def port_file(file: Path, config: Path | None, output: Path, request: Request, *, command: str) -> Results:
    """Port `file` into the folder `output`: the model, spec.json, proof.json, results.json and report.html, written
    only once the proof is there. `command` is what the page says made it. Raises PortingError."""
    import weight_mapping as wm

    portable = confined.load(
        file,
        config,
        layers_only=request.layers_only,
        trusted=request.trusted,
        meanwhile=partial(_import_ahead, request),
    )
    _refuse_custom(portable)
    answer: list[Any] = []
    if (request.proof or request.standalone or request.target == "onnx") and not request.trusted:
        # An ONNX graph is written by a run, and so is model.py.
        answer = affordable.check(portable, confined.stored(file), twice=request.standalone, seed=request.seed)
    alone = _standalone(portable, request) if request.standalone else None
    case, modules, arrays = _proof(portable, request, command, alone, answer) if request.proof else (None, {}, {})
    results = _results(portable, case, modules, arrays, command, _untried(portable, request))
    if config:
        results = replace(results, port={**results.port, "configuration": str(config)})
    texts = _texts(results, portable)
    with _folder(output):
        if request.target == "onnx":
            _onnx().save(portable, output / request.model)
        else:
            wm.save(portable, output / request.model, keras=request.keras, proof=request.proof)
        beside = alone(output) if alone else ()
        for name, text in texts.items():
            write_text(output / name, text)
        written = [request.model, *beside, *texts]
        write_text(output / PROOF, sealed(proof(results), output, written))
    return results


def _import_ahead(request: Request) -> None:
    """What the rest of a port takes longest to import, while another process reads the file."""
    import reports.render  # noqa: F401

    if request.proof and request.target in _PROVERS:
        with suppress(ImportError):  # the proof says so
            importlib.import_module(f"harness.backends.{_PROVERS[request.target]}")


_PROVERS = {"torch": "ported", "onnx": "ported_onnx"}


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


Writer = Callable[[Path], tuple[str, ...]]


def _limited(portable: Portable, request: Request) -> AbstractContextManager[None]:
    return nullcontext() if request.trusted else affordable.limited(portable)


def _standalone(portable: Portable, request: Request) -> Writer:
    """What writes model.py and its weights, made here: a refusal comes before the folder does."""
    try:
        from weight_mapping.torch.standalone import standalone, write_standalone
    except ModuleNotFoundError as missing:
        raise _needed("--standalone", missing) from None
    with _limited(portable, request):
        return partial(write_standalone, standalone(portable))


def _onnx() -> Any:
    try:
        import weight_mapping.onnx
    except ModuleNotFoundError as missing:
        raise _needed("--to onnx", missing, "onnx") from None
    return weight_mapping.onnx


def _needed(what: str, missing: ModuleNotFoundError, extra: str = "torch") -> PortingError:
    return PortingError(f"{what} needs {missing.name}", way_out=f"Install it: pip install 'lstm-parity[{extra}]'.")


def _proof(
    portable: Portable, request: Request, command: str, alone: Writer | None, answer: list[Any]
) -> tuple[Case, Mapping[str, str], Mapping[str, str]]:
    """The proof, what each layer became, and what holds each array. `answer`: the oracle's, where it ran already."""

    def prove(*outputs: proving.Outputs, **options: Any) -> Case:
        with _limited(portable, request):
            return proving.prove(
                portable, *outputs, seed=request.seed, command=command, answer=answer, **options
            )  # fmt: skip

    if request.target == "keras":
        from weight_mapping.slopes import slopes

        slope = 1 / 6 if request.keras == 3 else 1 / 5
        scaled = request.keras is not None and slopes(portable) - {slope}
        # Scaled weights are rounded to float32 once more: of the file only float32's bound can hold, and float64 judges
        # the scaling itself.
        dtypes = ("float32",) if scaled else ("float64", "float32")
        beside = [_scaled(slope)] if scaled else []
        beside += [loaded] if (loaded := _loaded(portable, request)) else []
        return prove(_read_again(request), backend="the file read again", dtypes=dtypes, beside=beside), {}, {}
    if request.target == "onnx":
        ported_onnx = _backend(_PROVERS["onnx"], "onnx")
        case = prove(ported_onnx.outputs, backend="ONNX Runtime", dtypes=ported_onnx.dtypes(portable))
        return case, ported_onnx.destinations(portable), {}
    ported = _backend(_PROVERS["torch"], "torch")
    beside = []
    if alone:
        from harness.backends.standalone import outputs

        beside.append(proving.Way(check="outputs of model.py", backend="PyTorch alone", outputs=outputs(alone)))
    case = prove(ported.outputs, beside=beside)
    mapped = [id for layer in portable.spec.layers.values() for id in conventions.of(layer)]
    return replace(case, conventions=tuple(dict.fromkeys(mapped))), *ported.destinations(portable)


def _scaled(slope: float) -> proving.Way:
    """The model with weights scaled to this slope of hard_sigmoid, before they are rounded to what a file holds."""

    def outputs(portable: Any, inputs: Any, dtype: str) -> Any:
        from weight_mapping import oracle
        from weight_mapping.slopes import with_slope

        return oracle.outputs(with_slope(proving.with_arrays(portable, lambda a: a.astype(dtype)), slope), *inputs)

    return proving.Way(
        check="outputs of the scaled weights", backend="the oracle", outputs=outputs, dtypes=("float64",)
    )


def _loaded(portable: Portable, request: Request) -> proving.Way | None:
    """The written file in the Keras that it is for, where that is here."""
    from harness.backends import loaded_keras

    name, missing = loaded_keras.loader(portable, request.keras)
    if missing:
        return None
    outputs = loaded_keras.outputs(request.keras, request.model)
    return proving.Way(check=f"outputs in {name}", backend=name, outputs=outputs, dtypes=loaded_keras.DTYPES)


def _backend(name: str, extra: str) -> Any:
    try:
        return importlib.import_module(f"harness.backends.{name}")
    except ModuleNotFoundError as missing:
        raise PortingError(
            f"the proof needs {missing.name}",
            way_out=f"Install it (pip install 'lstm-parity[{extra}]') or pass --no-proof.",
        ) from None


def _read_again(request: Request) -> proving.Outputs:
    """The oracle on the file as written, in place of a framework: what the file means is what is compared. It is
    written and read once, for either precision."""
    answers: list[Any] = []

    def outputs(portable: Any, inputs: Any, dtype: str) -> Any:
        if not answers:
            import tempfile

            import weight_mapping as wm

            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / request.model
                wm.save(portable, path, keras=request.keras)
                answers.extend(wm.oracle.outputs(wm.load(path), *inputs))
        return [y.astype(dtype) for y in answers]

    return outputs


def _untried(portable: Portable, request: Request) -> Mapping[str, str]:
    """What of the proof was not measured, and why."""
    if not request.proof:
        return {"proof": "--no-proof was given"}
    if request.target != "keras":
        return {}
    from harness.backends import loaded_keras

    name, missing = loaded_keras.loader(portable, request.keras)
    return {f"outputs in {name}": missing} if missing else {}


def _results(
    portable: Portable, case: Case | None, modules: Mapping[str, str], arrays: Mapping[str, str], command: str,
    untried: Mapping[str, str],
) -> Results:  # fmt: skip
    told = described(portable, modules, arrays)
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
