"""A PyTorch module as a Portable: the way back, bit for bit."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from weight_mapping.errors import Unsupported
from weight_mapping.spec import Input, Layer, Leaf, Path, chain, leaves, with_leaves
from weight_mapping.torch import arrays
from weight_mapping.torch.cells import KerasCell
from weight_mapping.torch.foreign import from_module, from_state_dict
from weight_mapping.torch.model import GraphModule, PortedModel, TimeDistributedLayer, layer_name
from weight_mapping.torch.plain import PlainLayer
from weight_mapping.torch.reading import layer_spec, weights
from weight_mapping.torch.recurrent import BidirectionalLayer, RecurrentLayer
from weight_mapping.weights import Array, LeafWeights, Portable, Source


def extract(module: nn.Module | Mapping[str, Tensor], *, prefix: str | None = None) -> Portable:
    """What the module computes and its weights.

    Takes a `PortedModel`, a layer of `build_layer`, an nn.LSTM, nn.GRU or nn.RNN of any depth and direction, or the
    state_dict of one (`prefix`: which, in the state_dict of a larger model). Raises Unrepresentable for what has no
    analogue, such as `proj_size`."""
    match module:
        case PortedModel():
            return _from_ported(module)
        case RecurrentLayer() | BidirectionalLayer():
            name = "recurrent" if isinstance(module, RecurrentLayer) else "bidirectional"
            found = {(name, *path): w for path, w in weights(module).items()}
            return _alone(name, layer_spec(module), found)
        case PlainLayer():
            kind = module.layer.kind
            return _alone(kind, module.layer, {(kind,): _plain(module)} if module.weights() else {})
        case nn.RNNBase():
            return from_module(module)
        case Mapping():
            return from_state_dict(module, prefix or "")
    class_name = type(module).__name__
    way_out = "Extract its recurrent submodules one by one, or its state_dict() with prefix=."
    if isinstance(module, KerasCell):
        way_out = "A cell alone does not say how it is run; extract the layer that holds it."
    raise Unsupported(f"a module of the class {class_name} can't be read", class_name=class_name, way_out=way_out)


def _alone(name: str, layer: Layer, found: Mapping[Path, LeafWeights]) -> Portable:
    spec = chain("model", Input(name="input"), {name: layer})
    return Portable(spec=spec, weights=found, source=Source(container="torch module"))


def _from_ported(model: PortedModel) -> Portable:
    found: dict[Path, LeafWeights] = {}
    changed: dict[Path, Leaf] = {}
    _read(model, (), found, changed)
    return Portable(spec=with_leaves(model.spec, changed), weights={**found, **model.unbuilt}, source=model.source)


def _read(module: nn.Module, path: Path, found: dict[Path, LeafWeights], changed: dict[Path, Leaf]) -> None:
    """The weights of every leaf below `module`, and every cell as its numbers now are."""
    match module:
        case GraphModule():
            for name, part in module.layers.items():
                _read(part, (*path, layer_name(name)), found, changed)
        case TimeDistributedLayer():
            _read(module.layer, (*path, "layer"), found, changed)
        case RecurrentLayer() | BidirectionalLayer():
            found.update({(*path, *rest): w for rest, w in weights(module).items()})
            changed.update(leaves(layer_spec(module), path))
        case PlainLayer():
            if own := _plain(module):
                found[path] = own


def _plain(module: PlainLayer) -> dict[str, Array]:
    return {name: arrays.array(value) for name, value in module.weights().items()}
