"""The one walk through a model's graph, shared by the oracle, PyTorch and ONNX, so that they cannot differ in which
tensor, mask or state goes where."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from weight_mapping.errors import PortingError
from weight_mapping.masks import propagate
from weight_mapping.spec import Layer, ModelSpec, Node, Path, Ref

Tensor = Any


@dataclass(frozen=True, slots=True)
class Call:
    """One call of one layer: what goes in beside the weights."""

    path: Path
    layer: Layer
    inputs: list[Tensor]
    masks: list[Any]
    initial_state: list[Tensor] = field(default_factory=list)

    @property
    def mask(self) -> Any:
        return self.masks[0] if self.masks else None


def run(
    model: ModelSpec,
    inputs: Sequence[Tensor],
    call: Callable[[Call], list[Tensor]],
    xp: Any,
    *,
    masks: Sequence[Any] | None = None,
    path: Path = (),
) -> tuple[list[Tensor], list[Any]]:
    """The model's outputs and their masks. `call` computes one layer (never a nested model) and returns its outputs;
    `xp` is the namespace of the tensors, for the masks."""
    if len(inputs) != len(model.inputs):
        names = ", ".join(i.name for i in model.inputs)
        raise PortingError(
            f"the model {model.name} takes {len(model.inputs)} inputs", found=len(inputs), expected=names
        )
    values: dict[Ref, Tensor] = {
        Ref(i.name): x != 0 if i.dtype == "bool" else x for i, x in zip(model.inputs, inputs, strict=True)
    }
    known: dict[Ref, Any] = dict(zip(values, masks or [None] * len(inputs), strict=True))
    for node in model.nodes:
        outputs, output_masks = _step(model, node, values, known, call, xp, (*path, node.layer))
        values.update({Ref(node.name, n): y for n, y in enumerate(outputs)})
        known.update({Ref(node.name, n): m for n, m in enumerate(output_masks)})
    return [values[ref] for ref in model.outputs], [known[ref] for ref in model.outputs]


def _step(
    model: ModelSpec,
    node: Node,
    values: dict[Ref, Tensor],
    known: dict[Ref, Any],
    call: Callable[[Call], list[Tensor]],
    xp: Any,
    path: Path,
) -> tuple[list[Tensor], list[Any]]:
    layer = model.layers[node.layer]
    inputs = [values[ref] for ref in node.inputs]
    masks = [known[ref] for ref in node.inputs]
    if node.mask is not None:
        masks = [values[node.mask], *masks[1:]]
    if isinstance(layer, ModelSpec):
        return run(layer, inputs, call, xp, masks=masks, path=path)
    handed = masks if node.masked else [None] * len(masks)
    outputs = call(Call(path, layer, inputs, handed, [values[ref] for ref in node.initial_state]))
    made = propagate(layer, inputs, masks, xp)
    return outputs, [*made, *[None] * (len(outputs) - len(made))]  # an operation may split into many
