"""A recognised recurrent layer as Keras stores it, for every kind of draft."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from weight_mapping import layer_names
from weight_mapping.drafting.recognising import Sketch

Config = dict[str, Any]
CLASSES = {**layer_names.KERAS, "cudnn lstm": "CuDNNLSTM", "cudnn gru": "CuDNNGRU"}


def stored_layer(
    name: str, cells: Sequence[Sketch], *, return_sequences: Any, go_backwards: Any, merge_mode: Any,
    activations: Callable[[Sketch], Config] = lambda cell: {},
) -> Config:  # fmt: skip
    """Class and configuration: what the arrays tell, and beside it what they can't, as it is handed in."""

    def cell_config(cell: Sketch) -> Config:
        if cell.form:
            return {"output_dim": cell.units, "consume_less": cell.form, **activations(cell)}
        told = {} if cell.reset_after is None else {"reset_after": cell.reset_after}
        return {"units": cell.units, "use_bias": cell.use_bias, **told, **activations(cell)}

    def layer(cell: Sketch, own_name: str, backwards: Any) -> Config:
        runs = {"return_sequences": return_sequences, "go_backwards": backwards}
        return {"class_name": CLASSES[cell.kind], "config": {"name": own_name, **cell_config(cell), **runs}}

    if len(cells) == 1:
        return layer(cells[0], name, go_backwards)
    if cells[0].direction:
        forward, backward = (layer(c, str(c.direction), back) for c, back in zip(cells, (False, True), strict=True))
        both = {"layer": forward, "backward_layer": backward, "merge_mode": merge_mode}
        return {"class_name": "Bidirectional", "config": {"name": name, **both}}
    stack = [{"class_name": f"{CLASSES[c.kind]}Cell", "config": cell_config(c)} for c in cells]
    runs = {"return_sequences": return_sequences, "go_backwards": go_backwards}
    cell = {"class_name": "StackedRNNCells", "config": {"cells": stack}}
    return {"class_name": "RNN", "config": {"name": name, "cell": cell, **runs}}
