"""Keras layers out of a spec and back: Keras 3 and tf_keras (Keras 2) alike, by the module that the caller passes.

No framework is imported here. `build_layer` makes the layer by its constructor's arguments and assigns the weights;
`weights_of` reads them again. Their arrays go through the layout `keras`, the same one that files go through.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from weight_mapping import layer_names
from weight_mapping.activations import KERAS_SLOPES, ROWS, Activation
from weight_mapping.errors import Unrepresentable, Unsupported
from weight_mapping.packing import names, pack, rows_of, unpack
from weight_mapping.spec import Bidirectional, Cell, Path, Recurrent, leaves
from weight_mapping.weights import CellWeights

_KINDS = {name: kind for kind, name in layer_names.KERAS.items()}
_KERAS2_PARAMETERS = {"negative_slope": "alpha"}
_WITHOUT_DEFAULTS = {"threshold"}
"""Activations that Keras can't call by their name alone."""


def generation(keras: Any) -> int:
    """2 for tf_keras and Keras 2, 3 for Keras 3."""
    return int(str(keras.__version__).split(".")[0])


def build_layer(
    layer: Recurrent | Bidirectional,
    weights: Mapping[Path, CellWeights],
    *,
    keras: Any,
    dtype: str = "float32",
    batch: int | None = None,
    arguments: Mapping[str, Any] | None = None,
) -> Any:
    """The Keras layer of this spec with these weights, built and ready to call.

    `keras` is the module `keras` (version 3) or `tf_keras`. `batch` is needed where the layer is stateful.
    `arguments` are further constructor arguments (unroll, implementation, regularisers …), given as they are.
    Raises Unrepresentable where this Keras has no way to state the layer."""
    built = construct(layer, keras=keras, dtype=dtype, arguments=arguments)
    sizes = {cell.input_size or weights[path].input_size for path, cell in _cells(layer) if path[-1] == "0"}
    if len(sizes) > 1:
        raise Unrepresentable("the two directions take inputs of different sizes", found=str(sorted(sizes)))
    major = layer.time_major if isinstance(layer, Recurrent) else layer.forward.time_major
    built.build((None, batch, *sizes) if major else (batch, None, *sizes))
    assign(built, weights, layer)
    return built


def construct(
    layer: Recurrent | Bidirectional, *, keras: Any, dtype: str = "float32", arguments: Mapping[str, Any] | None = None
) -> Any:
    """The Keras layer of this spec, not yet built: its weights will be what its initialisers draw."""
    extra = dict(arguments or {})
    if isinstance(layer, Recurrent):
        made = _recurrent(layer, keras, dtype, extra)
    else:
        merge = None if layer.merge == "none" else layer.merge
        forward, backward = (_recurrent(part, keras, dtype, extra) for part in (layer.forward, layer.backward))
        made = keras.layers.Bidirectional(forward, merge_mode=merge, backward_layer=backward, dtype=dtype)
    _give_functions(made, layer, keras)
    return made


def _give_functions(made: Any, layer: Recurrent | Bidirectional, keras: Any) -> None:
    """Put the activations that have no name into the cells. It is done last: Bidirectional makes its forward layer anew
    from a configuration, and a function has no place in one."""
    cells = dict(cells_of(made))
    for path, cell in _cells(layer):
        for name in ("activation", "recurrent_activation"):
            function = _stated(getattr(cell, name), keras)[1]
            if function is not None and hasattr(cells[path], name):
                setattr(cells[path], name, function)


def assign(built: Any, weights: Mapping[Path, CellWeights], layer: Recurrent | Bidirectional) -> None:
    """Put canonical weights into a built layer; WeightsMismatch where they are another cell's."""
    cells = dict(cells_of(built))
    for path, cell in _cells(layer):
        weights[path].check(cell, "/".join(path))
        for name, array in pack("keras", weights[path]).items():
            getattr(cells[path], name).assign(array)


def weights_of(built: Any) -> dict[Path, CellWeights]:
    """A built layer's weights in canonical form, by the paths of `spec.leaves`."""
    return {path: canonical(cell, _arrays(cell)) for path, cell in cells_of(built)}


def canonical(cell: Any, arrays: Mapping[str, Any]) -> CellWeights:
    """Arrays by the names of a Keras cell's variables (the weights, or a gradient for each) in canonical form."""
    kind = _kind(cell)
    reset_after = bool(cell.reset_after) if kind == "gru" else None
    return unpack("keras", kind, {name: np.asarray(array) for name, array in arrays.items()}, reset_after=reset_after)


def variables(cell: Any) -> dict[str, Any]:
    """A Keras cell's variables by the names of the layout `keras`."""
    known = {name for row in rows_of("keras", _kind(cell)) for name in names(row)}
    found = {name: getattr(cell, name) for name in ("kernel", "recurrent_kernel", "bias") if name in known}
    return {name: variable for name, variable in found.items() if variable is not None}


def cells_of(built: Any) -> Iterator[tuple[Path, Any]]:
    """The cells of a built recurrent or bidirectional layer with their paths."""
    if hasattr(built, "forward_layer"):
        for side, part in (("forward", built.forward_layer), ("backward", built.backward_layer)):
            yield from (((side, *path), cell) for path, cell in cells_of(part))
    elif hasattr(built, "cell"):
        stack = getattr(built.cell, "cells", [built.cell])
        yield from (((str(n),), cell) for n, cell in enumerate(stack))
    else:
        raise Unsupported("not a recurrent layer", class_name=type(built).__name__)


def _cells(layer: Recurrent | Bidirectional) -> Iterator[tuple[Path, Cell]]:
    for path, cell in leaves(layer):
        if not isinstance(cell, Cell):
            raise Unrepresentable(
                f"a Keras layer of {cell.kind if hasattr(cell, 'kind') else cell}", where="/".join(path)
            )
        yield path, cell


def _arrays(cell: Any) -> dict[str, Any]:
    return {name: variable.numpy() for name, variable in variables(cell).items()}


def _kind(cell: Any) -> str:
    name = type(cell).__name__.removesuffix("Cell")
    if name not in _KINDS:
        raise Unsupported(f"no recurrent cell is called {type(cell).__name__}", class_name=type(cell).__name__)
    return _KINDS[name]


def _recurrent(layer: Recurrent, keras: Any, dtype: str, extra: Mapping[str, Any]) -> Any:
    run: dict[str, Any] = {"return_sequences": layer.return_sequences, "return_state": layer.return_state}
    run |= {"go_backwards": layer.go_backwards, "stateful": layer.stateful, "dtype": dtype}
    if layer.zero_output_for_mask:
        run["zero_output_for_mask"] = True
    if layer.time_major:
        if generation(keras) > 2:
            raise Unrepresentable("Keras 3 has no time_major", way_out="Transpose the input's first two axes.")
        run["time_major"] = True
    cells = [cell for _, cell in _cells(layer)]
    if len(cells) == 1:
        return getattr(keras.layers, layer_names.KERAS[cells[0].kind])(
            **_cell_arguments(cells[0], keras), **run, **extra
        )
    run |= {name: value for name, value in extra.items() if name == "unroll"}
    own = {name: value for name, value in extra.items() if name != "unroll"}
    stack = [
        getattr(keras.layers, f"{layer_names.KERAS[cell.kind]}Cell")(**_cell_arguments(cell, keras), dtype=dtype, **own)
        for cell in cells
    ]
    return keras.layers.RNN(keras.layers.StackedRNNCells(stack, dtype=dtype), **run)


def _cell_arguments(cell: Cell, keras: Any) -> dict[str, Any]:
    arguments: dict[str, Any] = {"units": cell.units, "activation": _stated(cell.activation, keras)[0]}
    arguments |= {"use_bias": cell.bias != "none", "dropout": cell.dropout, "recurrent_dropout": cell.recurrent_dropout}
    if cell.kind != "rnn":
        arguments["recurrent_activation"] = _stated(cell.recurrent_activation, keras)[0]
    if cell.kind == "gru":
        if (cell.bias == "split") != cell.reset_after and cell.bias != "none":
            raise Unrepresentable(f"a Keras GRU with reset_after={cell.reset_after} and {cell.bias} bias")
        arguments["reset_after"] = cell.reset_after
    elif cell.bias == "split":
        raise Unrepresentable(
            f"Keras' {layer_names.KERAS[cell.kind]} has one bias", way_out="Add the two: CellWeights.folded()."
        )
    if cell.dropout and cell.dropout_per_gate and not cell.recurrent_dropout and cell.kind != "rnn":
        if generation(keras) > 2:
            raise Unrepresentable("Keras 3 draws one dropout mask for all gates unless recurrent_dropout is set")
        arguments["implementation"] = 1
    return arguments


def activation_of(activation: Activation, keras: Any) -> Any:
    """What this Keras takes as `activation=`: a name where its own function of that name is meant, else a function.

    `hard_sigmoid` has slope 1/5 in Keras 2 and 1/6 in Keras 3: the other one's is passed as a function."""
    parameters = dict(activation.parameters)
    if activation.name == "hard_sigmoid":
        slope = parameters["slope"]
        return "hard_sigmoid" if slope == KERAS_SLOPES[generation(keras)] else _hard_sigmoid(slope, keras)
    function = getattr(keras.activations, activation.name, None) or (
        keras.activations.swish if activation.name == "silu" and generation(keras) == 2 else None
    )
    if function is None:
        raise Unrepresentable(f"this Keras has no activation {activation.name}", found=f"Keras {keras.__version__}")
    if parameters == dict(ROWS[activation.name].parameters) and activation.name not in _WITHOUT_DEFAULTS:
        return function
    rename = _KERAS2_PARAMETERS if generation(keras) == 2 else {}
    chosen = {rename.get(name, name): value for name, value in parameters.items()}
    return lambda x: function(x, **chosen)


def _stated(activation: Activation, keras: Any) -> tuple[Any, Any]:
    """What a constructor is given, and the function to put into the cell afterwards where that can't say it."""
    found = activation_of(activation, keras)
    own = getattr(found, "__module__", None) == __name__
    return ("linear", found) if own else (found, None)


def _hard_sigmoid(slope: float, keras: Any) -> Callable[[Any], Any]:
    clip = keras.ops.clip if generation(keras) > 2 else keras.backend.clip
    return lambda x: clip(slope * x + 0.5, 0.0, 1.0)
