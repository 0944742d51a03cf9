"""Keras' recurrent classes, cells and wrappers -> spec. Defaults that a file leaves out are those of its writer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from weight_mapping.activations import Activation, activation
from weight_mapping.errors import DamagedFile, Unsupported, shown
from weight_mapping.keras_config.era import Era
from weight_mapping.keras_config.keys import refuse_unknown, renamed
from weight_mapping.keras_config.ownership import authors_name, keras_class
from weight_mapping.keras_config.values import flag, refuse_more, share, sizes, uneven, whole, word
from weight_mapping.keras_config.words import Reading, read_activation
from weight_mapping.spec import Bidirectional, Cell, ConvCell, Recurrent

CELL_KINDS: Mapping[str, str] = {
    "LSTM": "lstm",
    "GRU": "gru",
    "SimpleRNN": "rnn",
    "CuDNNLSTM": "lstm",
    "CuDNNGRU": "gru",
    "UnifiedLSTM": "lstm",
    "UnifiedGRU": "gru",
    "LSTMCell": "lstm",
    "GRUCell": "gru",
    "SimpleRNNCell": "rnn",
    "ConvLSTM1D": "conv_lstm",
    "ConvLSTM2D": "conv_lstm",
    "ConvLSTM3D": "conv_lstm",
}
_RUN_KEYS = {
    "return_sequences",
    "return_state",
    "go_backwards",
    "stateful",
    "zero_output_for_mask",
    "time_major",
    "cell",
    "constants",
    "return_all_outputs",
}
_CELL_KEYS = {"units", "activation", "recurrent_activation", "use_bias", "reset_after", "dropout", "recurrent_dropout"}
_CONV_KEYS = {"filters", "kernel_size", "strides", "padding", "dilation_rate", "data_format"}


class AuthorsOwn(Unsupported):
    """A cell, or a layer within Bidirectional, that only its author has, by its name: so is the layer around it."""


def known(class_name: str) -> bool:
    return class_name in CELL_KINDS or class_name == "RNN"


def read(class_name: str, config: Mapping[str, Any], reading: Reading, where: str) -> Recurrent:
    """A recurrent layer from its class and configuration (under today's keys)."""
    if class_name == "RNN":
        cells = _cells(config.get("cell"), reading, where)
        refuse_unknown(class_name, config, _RUN_KEYS, where)
    else:
        cells = (read_cell(class_name, config, reading, where),)
        refuse_unknown(class_name, config, _RUN_KEYS | _CELL_KEYS | _CONV_KEYS, where)
    run = {key: flag(config.get(key), f"{where}.{key}") for key in _RUN_KEYS & set(Recurrent.__dataclass_fields__)}
    return Recurrent(cells=cells, **run)


def _cells(value: Any, reading: Reading, where: str) -> tuple[Cell | ConvCell, ...]:
    if isinstance(value, list):
        refuse_more(value, "cells", where)
        return tuple(c for part in value for c in _cells(part, reading, where))
    if not isinstance(value, Mapping) or not isinstance(value.get("config"), Mapping):
        raise DamagedFile("an RNN without a cell", where=where)
    class_name, config = keras_class(value), value["config"]
    if class_name == "StackedRNNCells":
        if config.get("reverse_state_order"):
            raise Unsupported("StackedRNNCells with reverse_state_order", where=where, class_name=class_name)
        return _cells(config.get("cells"), reading, where)
    if class_name is None or not class_name.endswith("Cell") or class_name not in CELL_KINDS:
        raise AuthorsOwn(authors_name(value))
    refuse_unknown(class_name, config, _CELL_KEYS, where)
    return (read_cell(class_name, config, reading, f"{where}.{shown(config.get('name', class_name))}"),)


def read_cell(class_name: str, config: Mapping[str, Any], reading: Reading, where: str) -> Cell | ConvCell:
    """The cell of a recurrent layer or of a cell class."""
    kind, era = CELL_KINDS[class_name], reading.era
    gate = _gate_activation(class_name, config, reading, where)
    shared: dict[str, Any] = {
        "units": whole(config.get(size := "filters" if kind == "conv_lstm" else "units"), f"{where}.{size}"),
        "activation": read_activation(config.get("activation", "tanh"), reading, f"{where}.activation"),
        "recurrent_activation": gate,
        "dropout": share(config.get("dropout"), f"{where}.dropout"),
        "recurrent_dropout": share(config.get("recurrent_dropout"), f"{where}.recurrent_dropout"),
    }
    use_bias = flag(config.get("use_bias", True), f"{where}.use_bias")
    if kind == "conv_lstm":
        return _conv_cell(class_name, config, era, where, shared, use_bias)
    reset_after = kind == "gru" and _reset_after(class_name, config, reading, where)
    bias = "none" if not use_bias else "split" if reset_after else "single"
    implementation = config.get("implementation", 1 if era.generation == 1 else 2)
    per_gate = shared["recurrent_dropout"] > 0 or implementation != 2
    return Cell(kind=kind, bias=bias, reset_after=reset_after, dropout_per_gate=kind != "rnn" and per_gate, **shared)  # type: ignore[arg-type]


def default_gate(kind: str, era: Era) -> str:
    """The recurrent_activation that this Keras takes where none is given."""
    old = era.generation == 1 or (era.generation == 2 and (kind == "conv_lstm" or _before_sigmoid(era)))
    return "hard_sigmoid" if old else "sigmoid"


def _gate_activation(class_name: str, config: Mapping[str, Any], reading: Reading, where: str) -> Activation:
    kind, era = CELL_KINDS[class_name], reading.era
    if class_name.startswith("CuDNN") or kind == "rnn":
        return activation("sigmoid")
    if "recurrent_activation" not in config:
        word = default_gate(kind, era)
        reading.note(f"{where}: recurrent_activation is not written out; {era}'s default is {word}")
        return read_activation(word, reading, f"{where}.recurrent_activation")
    return read_activation(config["recurrent_activation"], reading, f"{where}.recurrent_activation")


def _before_sigmoid(era: Era) -> bool:
    """Whether LSTM and GRU still took hard_sigmoid: Keras before 2.3, and the tf.keras of TensorFlow 1 (2.1.6-tf and
    before; 1.14 called itself 2.2.4-tf, as 2.0 did)."""
    return bool(era.version) and era.version < (2, 2, 4) if era.tf else era.version < (2, 3)


def _reset_after(class_name: str, config: Mapping[str, Any], reading: Reading, where: str) -> bool:
    if class_name == "CuDNNGRU":
        return True
    if "reset_after" not in config:
        era = reading.era
        value = era.generation >= 3 or (era.tf and era.version >= (2, 2, 4))
        if era.generation >= 2:
            reading.note(f"{where}: reset_after is not written out; {era}'s default is {value}")
        return value
    return flag(config["reset_after"], f"{where}.reset_after")


def _conv_cell(
    class_name: str, config: Mapping[str, Any], era: Era, where: str, shared: dict[str, Any], use_bias: bool
) -> ConvCell:
    rank = int(class_name[-2])
    kernel_size = sizes(config.get("kernel_size"), rank, f"{where}.kernel_size")
    strides = sizes(config.get("strides") or 1, rank, f"{where}.strides")
    return ConvCell(
        rank=rank,
        kernel_size=kernel_size,
        strides=strides,
        padding=word("valid", "same")(config.get("padding", "valid"), f"{where}.padding"),
        dilation=sizes(config.get("dilation_rate") or 1, rank, f"{where}.dilation_rate"),
        channels_first=config.get("data_format") == "channels_first",
        pad_start=era.theano and uneven(kernel_size, strides),
        bias="single" if use_bias else "none",
        **shared,
    )


def read_bidirectional(config: Mapping[str, Any], reading: Reading, where: str) -> Bidirectional:
    """Bidirectional around a recurrent layer; the backward one, where not written out, is the forward one reversed."""
    refuse_unknown(
        "Bidirectional",
        config,
        {"layer", "backward_layer", "merge_mode", "return_sequences", "return_state", "go_backwards", "stateful"},
        where,
    )
    forward = _wrapped(config.get("layer"), reading, where)
    backward = config.get("backward_layer")
    reverse = (
        replace(forward, go_backwards=not forward.go_backwards)
        if backward is None
        else _wrapped(backward, reading, where)
    )
    if _zeroes_masked_steps(reading.era) and forward.return_sequences:
        forward, reverse = (replace(r, zero_output_for_mask=True) for r in (forward, reverse))
    merge = config.get("merge_mode", "concat")
    if merge not in ("concat", "sum", "mul", "ave", None):
        raise Unsupported(f"merge_mode {shown(merge)}", where=where, class_name="Bidirectional")
    return Bidirectional(forward=forward, backward=reverse, merge=merge or "none")


def _zeroes_masked_steps(era: Era) -> bool:
    """Whether Bidirectional sets its layers' masked outputs to zero where it returns sequences: measured for TensorFlow
    2.6 and later and Keras 3; TensorFlow 2.1 (2.2.4-tf) and Keras without TensorFlow repeat the previous output."""
    return era.generation >= 3 or (era.generation == 2 and era.tf and era.version >= (2, 3))


def _wrapped(value: Any, reading: Reading, where: str) -> Recurrent:
    if not isinstance(value, Mapping) or not isinstance(value.get("config"), Mapping):
        raise DamagedFile("Bidirectional without a layer", where=where)
    class_name = keras_class(value)
    if class_name is None:
        raise AuthorsOwn(authors_name(value))
    if not known(class_name):
        raise Unsupported(f"Bidirectional around {shown(class_name)!r}", where=where, class_name=class_name)
    config = renamed(class_name, value["config"]) if reading.era.generation == 1 else value["config"]
    return read(class_name, config, reading, f"{where}.{shown(config.get('name', class_name))}")
