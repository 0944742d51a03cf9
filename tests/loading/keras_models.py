"""Whole models in the words of Keras: `K` is keras or tf_keras, which agree in all that is said here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

Model = Any
Build = Callable[[Any], Model]


def shared_layer(K: Any) -> Model:
    """One LSTM called twice, and what merges."""
    a, b = K.Input((7, 3), name="a"), K.Input((7, 3), name="b")
    lstm = K.layers.LSTM(5, name="shared", recurrent_activation="hard_sigmoid")
    both = [lstm(a), lstm(b)]
    joined = K.layers.Dense(2)(K.layers.Concatenate()(both))
    return K.Model([a, b], [joined, K.layers.Dot(axes=1)(both), K.layers.Maximum()(both)])


def model_called_twice(K: Any) -> Model:
    """A functional model inside, called twice, its BatchNormalization frozen."""
    inside = K.Input((9, 4))
    frozen = K.layers.BatchNormalization(name="frozen")
    x = frozen(K.layers.Conv1D(6, 2, padding="same", activation="relu")(inside))
    inner = K.Model(inside, K.layers.MaxPooling1D(2)(x), name="inner")
    frozen.trainable = False
    left, right = K.Input((9, 4)), K.Input((9, 4))
    y = K.layers.Add()(
        [
            K.layers.LSTM(5, return_sequences=True)(inner(left)),
            K.layers.GRU(5, return_sequences=True)(inner(right)),
        ]
    )
    return K.Model([left, right], K.layers.Dense(3)(y))


def two_outputs_inside(K: Any) -> Model:
    x = K.Input((5, 3))
    forth = K.layers.LSTM(4, name="forth")(x)
    back = K.layers.LSTM(4, go_backwards=True, name="back")(x)
    two = K.Model(x, [forth, back], name="two")
    given = K.Input((5, 3))
    first, second = two(given), two(K.layers.Dense(3)(given))
    return K.Model(given, [K.layers.Subtract()([first[0], second[1]]), K.layers.Multiply()([first[1], second[0]])])


def nested_at_the_end(K: Any) -> Model:
    x = K.Input((5, 3))
    inner = K.Model(x, K.layers.LSTM(4)(x), name="inner")
    given = K.Input((5, 3))
    return K.Model(given, inner(given))


def sequential_shared(K: Any) -> Model:
    step = K.Sequential([K.layers.LSTM(4, return_sequences=True), K.layers.Dense(3)], name="step")
    x = K.Input((5, 3))
    return K.Model(x, K.layers.Add()([step(x), step(step(x))]))


def sequential_in_sequential(K: Any) -> Model:
    """A mask made inside one model, used outside it."""
    front = K.Sequential(
        [K.layers.Masking(0.0), K.layers.GRU(4, return_sequences=True, reset_after=False)], name="front"
    )
    stack = K.layers.RNN([K.layers.LSTMCell(3), K.layers.GRUCell(2)], return_sequences=True)
    tail = [K.layers.Dropout(0.3), K.layers.Flatten(), K.layers.Dense(2, activation="softmax")]
    return K.Sequential([K.Input((8, 3)), front, stack, *tail])


def over_time(K: Any) -> Model:
    """A model at each step."""
    step = K.Sequential([K.Input((4,)), K.layers.Dense(3, activation="elu"), K.layers.Dense(2)], name="step")
    x = K.Input((5, 4))
    both = K.layers.Bidirectional(K.layers.LSTM(3, return_sequences=True), merge_mode="ave")
    return K.Model(x, both(K.layers.TimeDistributed(step)(x)))


def attention(K: Any) -> Model:
    query, value = K.Input((6, 8)), K.Input((4, 8))
    seen = [
        K.layers.Attention(use_scale=True)([query, value]),
        K.layers.MultiHeadAttention(2, 3)(query, value),
        K.layers.AdditiveAttention()([query, value]),
    ]
    return K.Model([query, value], K.layers.LSTM(4)(K.layers.LayerNormalization()(K.layers.Concatenate()(seen))))


def causal(K: Any) -> Model:
    x = K.Input((6, 8))
    return K.Model(x, K.layers.GRU(3)(K.layers.Attention()([x, x], use_causal_mask=True)))


def states_and_mask(K: Any) -> Model:
    """Embedding(mask_zero), states from one LSTM into the next, as inputs of a layer and of another cell."""
    ids = K.Input((6,))
    x = K.layers.Embedding(11, 4, mask_zero=True)(ids)
    y, h, c = K.layers.LSTM(5, return_sequences=True, return_state=True)(x)
    z = K.layers.LSTM(3)(y, initial_state=[K.layers.Dense(3)(h), K.layers.Dense(3)(c)])
    return K.Model(ids, [z, y])


def unequal_branches(K: Any) -> Model:
    """A short branch beside a long one, layers of one shape: only their order tells their weights apart."""
    x = K.Input((5, 3))
    short = K.layers.LSTM(3, return_sequences=True, name="short")(x)
    long = K.layers.LSTM(3, return_sequences=True, name="long_2")(
        K.layers.LSTM(3, return_sequences=True, name="long_1")(x)
    )
    return K.Model(x, K.layers.Add()([short, long]))


def images(K: Any) -> Model:
    return K.Sequential(
        [
            K.Input((4, 6, 5, 2)),
            K.layers.ConvLSTM2D(3, (2, 3), padding="same", return_sequences=True),
            K.layers.TimeDistributed(K.layers.GlobalAveragePooling2D()),
            K.layers.LSTM(4),
        ]
    )


MODELS: Mapping[str, Build] = {
    build.__name__: build
    for build in (
        shared_layer, model_called_twice, two_outputs_inside, nested_at_the_end, sequential_shared,
        sequential_in_sequential, over_time, attention, causal, states_and_mask, unequal_branches, images,
    )
}  # fmt: skip


def operations(K: Any) -> Model:
    """Arithmetic, slices and reductions as nodes: keras.ops in Keras 3, TFOpLambda and SlicingOpLambda in tf_keras."""
    ids = K.Input((6,))
    y, h, c = K.layers.LSTM(5, return_sequences=True, return_state=True)(K.layers.Embedding(11, 4, mask_zero=True)(ids))
    z = y * 2.0 + 1.0
    z = K.layers.LSTM(3)(z[:, 1:, :])
    if K.__name__ == "keras":
        ops = K.ops
        kept = [ops.mean(y, axis=1), ops.concatenate([h, c], -1), ops.expand_dims(h, 1), ops.softmax(c), ops.max(y, 1)]
        kept += [ops.transpose(y, (0, 2, 1)), ops.reshape(y, (-1, 30)), ops.stack([h, c], 1), ops.clip(h, -0.1, 0.2)]
    else:
        import tensorflow as tf

        kept = [tf.reduce_mean(y, axis=1), tf.concat([h, c], -1), tf.expand_dims(h, 1), tf.nn.softmax(c)]
        kept += [tf.transpose(y, (0, 2, 1)), tf.reshape(y, (-1, 30)), tf.stack([h, c], 1), tf.math.maximum(h, 0.1)]
    return K.Model(ids, [z, 1.0 - h, h / 3.0, *kept])


def drawn(model: Model) -> Model:
    """The same model with every weight random, no bias or statistic as it is made."""
    rng = np.random.default_rng(1)
    names = [variable.path if hasattr(variable, "path") else variable.name for variable in model.weights]
    new = []
    for name, array in zip(names, model.get_weights(), strict=True):
        if array.dtype.kind != "f":
            new.append(array)
        elif "variance" in name:
            new.append(rng.uniform(0.5, 1.5, array.shape).astype(array.dtype))
        else:
            new.append((0.4 * rng.standard_normal(array.shape)).astype(array.dtype))
    model.set_weights(new)
    return model


def inputs(model: Model, ids: bool) -> list[Any]:
    """Random inputs; the last steps of the second row are zero, which a mask takes for absent."""
    rng = np.random.default_rng(3)
    given = []
    for one in model.inputs:
        shape = (3, *one.shape[1:])
        x = rng.integers(1, 9, shape) if ids else rng.standard_normal(shape)
        x[1, -2:] = 0
        given.append(x.astype(np.float32))
    return given
