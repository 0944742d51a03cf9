"""Layers around the LSTM whose options are sizes that no run can have, or are no sizes at all. None has weights: only
the configuration says how large they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from attacks.changed_h5 import Make, configured, layers_of, option

HUGE = 10**9


def behind(layers: Callable[[], Iterable[tuple[str, dict[str, Any]]]], *, sequences: bool = False) -> Make:
    """These layers behind the LSTM, whose output is (batch, 5), or (batch, 6, 5)."""

    def change(config: dict[str, Any]) -> None:
        layers_of(config)[0]["config"]["return_sequences"] = sequences
        inner = config["config"]
        (inner["layers"] if isinstance(inner, dict) else inner).extend(
            {"class_name": name, "config": {"name": f"added{n}", **options}}
            for n, (name, options) in enumerate(layers())
        )

    return configured(change)


def last(class_name: str, **options: Any) -> Make:
    return behind(lambda: [(class_name, options)])


def sequences(class_name: str, **options: Any) -> Make:
    return behind(lambda: [(class_name, options)], sequences=True)


ATTACKS: Mapping[str, Make] = {
    # numbers that are none
    "size true": last("RepeatVector", n=True),
    "size in other digits": last("RepeatVector", n="\uff15"),
    "size of a half": last("RepeatVector", n=2.5),
    "size negative axis": sequences("Softmax", axis=-HUGE),
    "size axis of text": sequences("Softmax", axis="-1"),
    "size permuted twice": sequences("Permute", dims=[1, 1]),
    "size reshaped to nothing": last("Reshape", target_shape=[0]),
    "size reshaped twice unknown": last("Reshape", target_shape=[-1, -1]),
    "size reshaped to minus": last("Reshape", target_shape=[-7]),
    "size pool of none": sequences("MaxPooling1D", pool_size=0),
    "size pool of a billion": sequences("MaxPooling1D", pool_size=HUGE),
    "size strides of none": sequences("AveragePooling1D", pool_size=2, strides=0),
    "size strides back": sequences("AveragePooling1D", pool_size=2, strides=-1),
    "size pool padded by a billion": sequences("MaxPooling1D", pool_size=HUGE, padding="same", strides=1),
    "size cropped by a billion": sequences("Cropping1D", cropping=[HUGE, HUGE]),
    "size cropped by minus": sequences("Cropping1D", cropping=[-HUGE, 0]),
    "size padded by minus": sequences("ZeroPadding1D", padding=[-3, -3]),
    "size rate NaN": last("Dropout", rate=float("nan")),
    "size rate above one": last("Dropout", rate=1.5),
    "size rate of text": last("Dropout", rate="0.1"),
    "size units in other digits": option(units="\u0665"),
    "size dropout of a list": option(dropout=[0.1, 0.2]),
    "size return_sequences 3": option(return_sequences=3),
    "size return_sequences of text": option(return_sequences="False"),
    "size use_bias of a list": option(use_bias=[1]),
    "size slope infinite": sequences("LeakyReLU", alpha="inf"),
    # more than any memory
    "size repeated a million times": last("RepeatVector", n=10**6),
    "size repeated a billion times": last("RepeatVector", n=HUGE),
    "size repeated and repeated": behind(lambda: [("RepeatVector", {"n": 1000}), ("Flatten", {})] * 5),
    "size padded by 10^12": sequences("ZeroPadding1D", padding=[10**12, 0]),
    "size upsampled by a billion": sequences("UpSampling1D", size=HUGE),
    "size upsampled again and again": behind(lambda: [("UpSampling1D", {"size": 10})] * 12, sequences=True),
    "size padded again and again": behind(
        lambda: [("ZeroPadding1D", {"padding": [10**6, 10**6]})] * 200, sequences=True
    ),
    "size attention over 40000 steps": behind(
        lambda: [("UpSampling1D", {"size": 7000}), ("Dot", {"axes": -1})], sequences=True
    ),
    "size of a batch": option(batch_input_shape=[10**6, 60, 3]),
    "size of a batch of none": option(batch_input_shape=[0, 6, 3]),
    "size of no steps": option(batch_input_shape=[None, 0, 3]),
    "size of a batch, true": option(batch_input_shape=[True, 6, 3]),
    "size of half a step": option(batch_input_shape=[None, 6.5, 3]),
    "size of 40 axes": option(batch_input_shape=[None] * 40),
    "size of one axis": option(batch_input_shape=[None]),
    "size of other features": option(batch_input_shape=[None, 6, HUGE]),
    "size of steps beyond 64 bits": option(batch_input_shape=[None, 1 << 63, 3]),
    "size of steps that wrap": option(batch_input_shape=[1 << 32, 1 << 32, 3]),
    "size 3000 layers": behind(lambda: [("Dropout", {"rate": 0.1})] * 3000),
    "size 2000 layers by turns": behind(lambda: [("RepeatVector", {"n": 2}), ("Flatten", {})] * 1000),
    "size 60 thousand steps": option(batch_input_shape=[None, 60_000, 3]),
    "size 49 thousand steps": option(batch_input_shape=[None, 49_000, 3]),
    "size of windows as wide as the sequence": behind(
        lambda: [("UpSampling1D", {"size": 3300}), ("MaxPooling1D", {"pool_size": 9000, "strides": 1})], sequences=True
    ),
    "size of windows over padding": behind(
        lambda: [
            ("ZeroPadding1D", {"padding": [10**5, 10**5]}), ("AveragePooling1D", {"pool_size": 10**5, "strides": 1}),
            ("GlobalMaxPooling1D", {}),
        ],
        sequences=True,
    ),
    "size of a matrix of places": behind(
        lambda: [("UpSampling1D", {"size": 2000}), ("UpSampling1D", {"size": 2}), ("GlobalMaxPooling1D", {})],
        sequences=True,
    ),
}  # fmt: skip
SOUND: Mapping[str, Make] = {
    "size": last("RepeatVector", n=3),
    "size pool": sequences("MaxPooling1D", pool_size=2),
    "size padded": sequences("ZeroPadding1D", padding=[2, 1]),
    "size of steps": option(batch_input_shape=[None, 300, 3]),
    "size of a batch of two": option(batch_input_shape=[2, 6, 3]),
}
