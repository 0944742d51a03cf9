"""A recurrent layer, and a Bidirectional, as Keras' classes and their configurations."""

from __future__ import annotations

from typing import Any

from weight_mapping import layer_names
from weight_mapping.errors import Unrepresentable
from weight_mapping.keras_config.era import Era
from weight_mapping.keras_config.words import write_activation
from weight_mapping.spec import Bidirectional, Cell, ConvCell, Recurrent


def write_recurrent(layer: Recurrent, target: Era, where: str) -> tuple[str, dict[str, Any]]:
    """(class name, configuration) of a recurrent layer in the words of the `target`."""
    run: dict[str, Any] = {
        key: getattr(layer, key) for key in ("return_sequences", "return_state", "go_backwards", "stateful")
    } | {"unroll": False}
    if layer.zero_output_for_mask:  # absent means False
        run["zero_output_for_mask"] = True
    if layer.time_major:
        if target.generation >= 3:
            raise Unrepresentable(
                "Keras 3 has no time_major", where=where, way_out="Transpose around the layer, or write for Keras 2."
            )
        run["time_major"] = True
    if len(layer.cells) > 1:
        cells = [_write_cell(cell, target, f"{where}.{n}") for n, cell in enumerate(layer.cells)]
        stack = [
            target.stored(f"{name}Cell", {"name": f"{name.lower()}_cell_{n}", **config})
            for n, (name, config) in enumerate(cells)
        ]
        stacked = target.stored("StackedRNNCells", {"name": "stacked_rnn_cells", "cells": stack})
        return "RNN", {**run, "cell": stacked}
    class_name, config = _write_cell(layer.cells[0], target, where)
    return class_name, {**run, **config}


def _write_cell(cell: Cell | ConvCell, target: Era, where: str) -> tuple[str, dict[str, Any]]:
    """(class name of the layer around it, configuration) of one cell."""
    config: dict[str, Any] = {
        "activation": write_activation(cell.activation, target, f"{where}.activation"),
        "use_bias": cell.bias != "none",
        "dropout": cell.dropout,
        "recurrent_dropout": cell.recurrent_dropout,
    }
    if cell.kind != "rnn":
        gate = write_activation(cell.recurrent_activation, target, f"{where}.recurrent_activation")
        config["recurrent_activation"] = gate
    if isinstance(cell, ConvCell):
        if cell.pad_start and not target.theano:
            raise Unrepresentable(
                "padding that starts with the odd cell (Theano's) has no word in today's Keras", where=where
            )
        return f"ConvLSTM{cell.rank}D", config | {
            "filters": cell.units,
            "kernel_size": list(cell.kernel_size),
            "strides": list(cell.strides),
            "padding": cell.padding,
            "dilation_rate": list(cell.dilation),
            "data_format": "channels_first" if cell.channels_first else "channels_last",
        }
    config["units"] = cell.units
    if cell.kind == "gru":
        config["reset_after"] = cell.reset_after
    if target.generation < 3 and cell.kind != "rnn":
        config["implementation"] = 1 if cell.dropout_per_gate else 2
    return layer_names.KERAS[cell.kind], config


def write_bidirectional(layer: Bidirectional, target: Era, where: str) -> dict[str, Any]:
    """A Bidirectional's configuration, both directions written out."""
    both = {}
    for key, direction in (("layer", layer.forward), ("backward_layer", layer.backward)):
        class_name, config = write_recurrent(direction, target, f"{where}.{key}")
        name = f"{'forward' if key == 'layer' else 'backward'}_{class_name.lower()}"
        both[key] = target.stored(class_name, {"name": name, "trainable": True, **config})
    return {"merge_mode": None if layer.merge == "none" else layer.merge, **both}
