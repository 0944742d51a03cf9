"""A Portable as one Python file of plain PyTorch, and the safetensors file of its weights."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from weight_mapping import operations
from weight_mapping.errors import Unrepresentable, shown
from weight_mapping.files.atomic import replacing
from weight_mapping.files.writing import write_safetensors
from weight_mapping.graph import Call, run
from weight_mapping.probe import probe
from weight_mapping.spec import Bidirectional, Custom, ModelSpec, Operation, Plain, Recurrent, TimeDistributed
from weight_mapping.torch import arrays as tensors
from weight_mapping.torch.recurrent import inside
from weight_mapping.torch.standalone import plain, recurrent
from weight_mapping.torch.standalone.names import comment
from weight_mapping.torch.standalone.tracing import DTYPE, Traced
from weight_mapping.torch.standalone.writer import Writer
from weight_mapping.weights import Array, CellWeights, Portable

MODEL, WEIGHTS = "model.py", "model_torch.safetensors"
_BATCH = 2
"""Samples of the probe that is traced; the number must not show in the text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standalone:
    """The text of the file and the arrays of its state_dict."""

    text: str
    arrays: Mapping[str, Array]


def save_standalone(portable: Portable, folder: str | Path) -> None:
    """Write model.py and model_torch.safetensors. `Unrepresentable`, before anything is written, for a layer that
    `standalone` can't state."""
    write_standalone(standalone(portable), folder)


def write_standalone(made: Standalone, folder: str | Path) -> tuple[str, ...]:
    """The weights first: a model.py that is there has them beside it. Returns the names of both files."""
    write_safetensors(Path(folder) / WEIGHTS, made.arrays, {"format": "pt"})
    with replacing(Path(folder) / MODEL) as temporary:
        temporary.write_text(made.text, encoding="utf-8")
    return WEIGHTS, MODEL


def standalone(portable: Portable) -> Standalone:
    """The model as the source of a module that needs torch and safetensors alone. Nothing in the text but numbers comes
    from the file: names become identifiers of a closed alphabet, and comments in ASCII."""
    w = Writer()
    names = [w.locals.new(one.name) for one in portable.spec.inputs]
    shadows = [torch.from_numpy(np.asarray(x)).to(DTYPE) for x in probe(portable.spec, batch=_BATCH)]
    inputs = [Traced(name, shadow) for name, shadow in zip(names, shadows, strict=True)]
    outputs, _ = run(portable.spec, inputs, _Walk(portable, w), torch)
    w.lines.append(f"return {', '.join(y.text for y in outputs)}")
    text = "\n".join([*_head(portable, names), "", *_body(w, names), ""])
    compile(text, MODEL, "exec")
    widest = tensors.floating_dtype(list(portable.arrays().values()))
    whole = {name: _float(array, widest) for name, array in w.arrays.items()}
    return Standalone(text=text, arrays=whole)


def _float(array: Array, dtype: torch.dtype) -> Array:
    return tensors.array(tensors.tensor(array, dtype))


class _Walk:
    """What the graph's walk calls for every layer."""

    def __init__(self, portable: Portable, writer: Writer) -> None:
        self.portable, self.w = portable, writer

    def __call__(self, call: Call) -> list[Traced]:
        name = call.path[-1] if call.path else "x"
        outputs = self._state(call, name)
        return [self.w.bind(y, name) for y in outputs]

    def _state(self, call: Call, name: str) -> list[Traced]:
        where = "/".join(map(shown, call.path))
        match call.layer:
            case Plain(kind="embedding"):
                return [plain.state(self.w, call, call.layer, self._own(call))]
            case Plain():
                inputs = [self._floating(x) for x in call.inputs]
                call = Call(call.path, call.layer, inputs, [self._mask(m, name) for m in call.masks])
                assert isinstance(call.layer, Plain)
                return [plain.state(self.w, call, call.layer, self._own(call))]
            case Recurrent() | Bidirectional():
                inputs = [self._floating(x) for x in call.inputs]
                call = Call(call.path, call.layer, inputs, call.masks, call.initial_state)
                weights = self.portable.weights
                for part in call.path:
                    weights = inside(weights, part)
                return recurrent.state(self.w, call, call.layer, weights, name)  # type: ignore[arg-type]
            case TimeDistributed():
                return self._time_distributed(call, call.layer, name)
            case Operation():
                return self._operation(call, call.layer, where)
            case Custom() as layer:
                raise Unrepresentable(
                    layer.refusal, where=where, class_name=layer.class_name,
                    way_out="--layers-only ports the recurrent layers around it.",
                )  # fmt: skip
        raise TypeError("the graph's walk goes into nested models itself")

    def _own(self, call: Call) -> Mapping[str, Array]:
        found = self.portable.weights.get(call.path, {})
        assert not isinstance(found, CellWeights)
        return found

    def _floating(self, x: Traced) -> Traced:
        """What has another dtype (a comparison's result) in the model's: a layer computes in its own."""
        return x if x.shadow.dtype == DTYPE else Traced(f"{x.operand}.to(self.dtype)", x.shadow.to(DTYPE))

    def _mask(self, mask: Traced | None, name: str) -> Traced | None:
        return None if mask is None else self.w.bind(mask, f"{name}_mask")

    def _time_distributed(self, call: Call, layer: TimeDistributed, name: str) -> list[Traced]:
        """The steps become samples, and samples steps again."""
        x, path = self.w.bind(call.inputs[0], name), (*call.path, "layer")
        steps = x.shadow.shape[1]
        samples = Traced(f"{x.text}.flatten(0, 1)", x.shadow.flatten(0, 1))
        mask = call.mask
        own = (
            None
            if mask is None or mask.ndim < 3
            else Traced(f"{mask.operand}.flatten(0, 1)", mask.shadow.flatten(0, 1))
        )
        if isinstance(layer.layer, ModelSpec):
            (y,), _ = run(layer.layer, [samples], self, torch, masks=[own], path=path)
        else:
            (y,) = self(Call(path, layer.layer, [samples], [own]))
        return [Traced(f"{y.text}.unflatten(0, {x.text}.shape[:2])", y.shadow.unflatten(0, (-1, steps)))]

    def _operation(self, call: Call, operation: Operation, where: str) -> list[Traced]:
        if operation.name == "shape":
            raise Unrepresentable(f"the operation {operation.name} is not stated in one file", where=where)
        result = operations.apply(operation, call.inputs, torch)
        found = result if isinstance(result, list | tuple) else [result]
        if not all(isinstance(y, Traced) for y in found):
            raise Unrepresentable(f"the operation {operation.name} is not stated in one file", where=where)
        return list(found)


def _head(portable: Portable, names: list[str]) -> list[str]:
    source = portable.source
    told = [f"{name} {one.shape} {comment(one.name)}" for name, one in zip(names, portable.spec.inputs, strict=True)]
    lines = [
        f"A Keras model as plain PyTorch: {comment(portable.spec.name)}, {comment(source.container)}, "
        f"Keras {comment(source.keras_version)}, SHA-256 {comment(source.sha256)}.",
        "It needs torch and safetensors, and no more. Use:",
        "",
        "    import model",
        "    net = model.load()        # with model_torch.safetensors beside it, in evaluation mode",
        f"    y = net({', '.join(names)})",
        "",
        "The inputs, as Keras takes them (batch first, images channels last unless the layers say otherwise):",
        *(f"    {line}" for line in told),
        *(f"Resolved: {comment(line)}" for line in source.resolved),
    ]
    return [f"# {line}".rstrip() for line in lines]


def _body(w: Writer, names: list[str]) -> list[str]:
    text = "\n".join(w.lines + w.made)
    dtype = []
    if re.search(r"\bself\.dtype\b", text):
        dtype = [
            "    @property",
            "    def dtype(self) -> torch.dtype:",
            "        return self._dtype.dtype",
            "",
        ]
        w.made.append('self.register_buffer("_dtype", torch.zeros(0), persistent=False)  # cast with the model')
    w.bundle.imports |= {("", "torch"), ("torch", "Tensor"), ("torch", "nn"), ("pathlib", "Path"), ("typing", "Any")}
    if "functional." in text:
        w.bundle.imports.add(("torch.nn", "functional"))
    return [
        "from __future__ import annotations",
        "",
        *w.bundle.import_lines(),
        *(f"\n\n{definition}" for definition in w.bundle.definitions.values()),
        "",
        "",
        "class Model(nn.Module):",
        "    def __init__(self) -> None:",
        "        super().__init__()",
        *(f"        {line}" for line in w.made),
        "",
        *dtype,
        f"    def forward(self, {', '.join(f'{name}: Tensor' for name in names)}) -> Any:",
        *(f"        {line}" for line in w.lines),
        "",
        "",
        *_LOAD.splitlines(),
    ]


_LOAD = '''def load(path: str | Path = Path(__file__).with_name("model_torch.safetensors"), dtype: Any = None) -> Model:
    """The model with its weights, in evaluation mode; `dtype`: another precision than the file's."""
    from safetensors.torch import load_file

    weights = load_file(path)
    kinds = [w.dtype for w in weights.values()]
    model = Model().to(dtype or (kinds[0] if kinds else None))
    model.load_state_dict(weights)
    return model.eval()
'''
