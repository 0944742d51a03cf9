"""Configurations that no model can have, that name code, or that ask for an endless run."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from attacks.changed_h5 import Make, configured, layers_of, nested, option, text, with_layer

LAMBDA = {"function": ["4wEAAAAAAAAAAAAAAAA=\n", None, None], "function_type": "lambda"}

ATTACKS: Mapping[str, Make] = {
    "config no JSON": text("model_config", "{"),
    "config deep": text("model_config", '{"a":' + "[" * 30_000 + "]" * 30_000 + "}"),
    "config twice": text("model_config", '{"class_name":"Sequential","config":[],"config":[]}'),
    "config NaN": text("model_config", '{"class_name":"Sequential","config":NaN}'),
    "config is a list": text("model_config", "[]"),
    "config is bytes": text("model_config", np.void(b"\xff\xfe\x00")),
    "config many digits": text("model_config", '{"class_name":' + "9" * 5000 + "}"),
    "config surrogate": text("model_config", '{"class_name":"\\ud800","config":[]}'),
    "units negative": option(units=-5),
    "units zero": option(units=0),
    "units huge": option(units=10**12),
    "units text": option(units="5; import os"),
    "units float": option(units=5.5),
    "units true": option(units=True),
    "units list": option(units=[5, 6]),
    "units dict": option(units={"class_name": "Lambda", "config": LAMBDA}),
    "activation of os": option(activation={"module": "os", "class_name": "function", "config": "system"}),
    "activation code": option(activation="__import__('os').system('touch canary')"),
    "activation lambda": option(activation={"class_name": "__lambda__", "config": {"value": LAMBDA}}),
    "input of a billion steps": option(batch_input_shape=[None, 10**9, 3]),
    "input of a billion samples": option(batch_input_shape=[10**9, 6, 3]),
    "input negative": option(batch_input_shape=[None, -6, 3]),
    "input text": option(batch_input_shape="None"),
    "input deep": option(batch_input_shape=[[[None]]]),
    "Lambda": with_layer("Lambda", **LAMBDA),
    "Lambda inside": configured(
        lambda config: layers_of(config)[0].update(
            class_name="TimeDistributed",
            config={"name": "lstm_10", "layer": {"class_name": "Lambda", "config": LAMBDA}},
        )
    ),
    "custom": with_layer("os.system"),
    "TFSMLayer": with_layer("TFSMLayer", filepath="/etc"),
    "StringLookup": with_layer("StringLookup", vocabulary="/etc/passwd"),
    "repeat a billion": with_layer("RepeatVector", n=10**9),
    "repeat a million": with_layer("RepeatVector", n=10**6),
    "repeat minus": with_layer("RepeatVector", n=-3),
    "pad a billion": with_layer("ZeroPadding1D", first=True, padding=[10**9, 10**9]),
    "upsample a billion": with_layer("UpSampling1D", first=True, size=10**9),
    "reshape": with_layer("Reshape", target_shape=[10**9, 10**9]),
    "permute": with_layer("Permute", dims=[5, 9]),
    "TimeDistributed 90 deep": nested("TimeDistributed", 90),
    "Bidirectional 90 deep": nested("Bidirectional", 90),
    "10000 layers": configured(
        lambda config: (
            layers_of(config)
            and config.__setitem__(
                "config",
                layers_of(config)
                + [{"class_name": "Dropout", "config": {"name": f"d{n}", "rate": 0.1}} for n in range(10_000)],
            )
        )
    ),
}
SOUND: Mapping[str, Make] = {
    "layer": with_layer("Activation", activation="relu"),
    "option": option(units=5),
}
