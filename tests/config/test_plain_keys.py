"""What becomes of every key of the layers around the recurrent ones, under the names of each generation."""

from __future__ import annotations

from typing import Any

import pytest
from configs import cell, parsed, read

from weight_mapping.activations import activation
from weight_mapping.errors import DamagedFile, PortingError, Unsupported
from weight_mapping.keras_config import plain_layers
from weight_mapping.keras_config.options import READERS, SPATIAL_READERS
from weight_mapping.plain import KINDS, plain
from weight_mapping.spec import Plain

_DECONVOLUTION = {"nb_filter": 5, "nb_row": 3, "nb_col": 2, "dim_ordering": "tf"}
KERAS_1: dict[str, tuple[str, dict[str, Any], Plain]] = {
    "Dense": (
        "Dense",
        {"output_dim": 3, "init": "glorot_uniform", "activation": "relu", "bias": False, "input_dim": 4},
        plain("dense", units=3, activation=activation("relu"), use_bias=False),
    ),
    "TimeDistributedDense": (
        "TimeDistributedDense",
        {"output_dim": 3, "activation": "linear"},
        plain("dense", units=3),
    ),
    "Embedding": (
        "Embedding",
        {"input_dim": 9, "output_dim": 4, "mask_zero": True, "dropout": 0.2, "input_length": 7},
        plain("embedding", input_dim=9, output_dim=4, mask_zero=True),
    ),
    "Dropout": ("Dropout", {"p": 0.3}, plain("dropout", rate=0.3)),
    "GaussianDropout": ("GaussianDropout", {"p": 0.3}, plain("gaussian_dropout", rate=0.3)),
    "GaussianDropout sigma": ("GaussianDropout", {"sigma": 0.3}, plain("gaussian_dropout", rate=0.3)),
    "GaussianNoise": ("GaussianNoise", {"sigma": 0.3}, plain("gaussian_noise", stddev=0.3)),
    "SpatialDropout1D": ("SpatialDropout1D", {"p": 0.3}, plain("spatial_dropout", rank=1, rate=0.3)),
    "Convolution1D": (
        "Convolution1D",
        {
            "nb_filter": 5,
            "filter_length": 3,
            "border_mode": "same",
            "subsample_length": 2,
            "bias": True,
            "activation": "tanh",
        },
        plain(
            "conv",
            rank=1,
            filters=5,
            kernel_size=(3,),
            strides=(2,),
            padding="same",
            dilation=(1,),
            activation=activation("tanh"),
        ),
    ),
    "AtrousConvolution1D": (
        "AtrousConvolution1D",
        {"nb_filter": 5, "filter_length": 3, "atrous_rate": 2, "border_mode": "valid"},
        plain("conv", rank=1, filters=5, kernel_size=(3,), strides=(1,), dilation=(2,)),
    ),
    "Convolution2D": (
        "Convolution2D",
        {"nb_filter": 5, "nb_row": 3, "nb_col": 2, "border_mode": "valid", "subsample": [2, 1], "dim_ordering": "th"},
        plain("conv", filters=5, kernel_size=(3, 2), strides=(2, 1), channels_first=True),
    ),
    "Convolution3D": (
        "Convolution3D",
        {"nb_filter": 5, "kernel_dim1": 3, "kernel_dim2": 2, "kernel_dim3": 1, "dim_ordering": "tf"},
        plain("conv", rank=3, filters=5, kernel_size=(3, 2, 1), strides=(1, 1, 1), dilation=(1, 1, 1)),
    ),
    "MaxPooling1D": (
        "MaxPooling1D",
        {"pool_length": 3, "stride": 2, "border_mode": "same"},
        plain("pool", rank=1, size=(3,), strides=(2,), padding="same"),
    ),
    "AveragePooling2D": (
        "AveragePooling2D",
        {"pool_size": [3, 2], "strides": None, "border_mode": "valid", "dim_ordering": "tf"},
        plain("pool", op="avg", size=(3, 2), strides=(3, 2)),
    ),
    "UpSampling1D": ("UpSampling1D", {"length": 3}, plain("up_sampling", rank=1, size=(3,))),
    "ZeroPadding1D": ("ZeroPadding1D", {"padding": 2}, plain("zero_padding", rank=1, padding=((2, 2),))),
    "ZeroPadding2D": ("ZeroPadding2D", {"padding": [1, 2, 3, 4]}, plain("zero_padding", padding=((1, 2), (3, 4)))),
    "ZeroPadding1D by sides": (
        "ZeroPadding1D",
        {"padding": {"left_pad": 1, "right_pad": 2}},
        plain("zero_padding", rank=1, padding=((1, 2),)),
    ),
    "ZeroPadding2D by sides": (
        "ZeroPadding2D",
        {"padding": {"top_pad": 1, "bottom_pad": 2, "right_pad": 3}, "dim_ordering": "tf"},
        plain("zero_padding", padding=((1, 2), (0, 3))),
    ),
    "Merge": ("Merge", {"mode": "concat", "concat_axis": 1}, plain("concatenate", axis=1)),
    "MaxoutDense": (
        "MaxoutDense",
        {"output_dim": 3, "nb_feature": 2, "bias": True},
        plain("maxout_dense", units=3, features=2),
    ),
    "Highway": (
        "Highway",
        {"activation": "tanh", "bias": False},
        plain("highway", activation=activation("tanh"), use_bias=False),
    ),
    "BatchNormalization": (
        "BatchNormalization",
        {"epsilon": 1e-5, "mode": 0, "axis": -1, "momentum": 0.9},
        plain("batch_normalization", epsilon=1e-5, momentum=0.9),
    ),
    "LeakyReLU": (
        "LeakyReLU",
        {"alpha": 0.1},
        plain("activation", activation=activation("leaky_relu", negative_slope=0.1)),
    ),
    "ThresholdedReLU": (
        "ThresholdedReLU",
        {"theta": 0.5},
        plain("activation", activation=activation("relu", threshold=0.5)),
    ),
    "ActivityRegularization": ("ActivityRegularization", {"l1": 0.1, "l2": 0.0}, plain("identity")),
    "SReLU": ("SReLU", {"t_left_init": "zero", "a_right_init": "one"}, plain("srelu")),
    "ParametricSoftplus": ("ParametricSoftplus", {"alpha_init": 0.2, "beta_init": 5.0}, plain("parametric_softplus")),
    "Merge cos": ("Merge", {"mode": "cos", "dot_axes": [1, 2]}, plain("cosine", axes=(1, 2))),
    "Merge dot nested": ("Merge", {"mode": "dot", "dot_axes": [[2], [1]]}, plain("dot", axes=(2, 1))),
    "Deconvolution2D": (
        "Deconvolution2D",
        _DECONVOLUTION | {"border_mode": "same", "subsample": [2, 3], "output_shape": [None, 8, 9, 5]},
        plain("conv_transpose", filters=5, kernel_size=(3, 2), strides=(2, 3), padding="same"),
    ),
    "Deconvolution2D valid": (
        "Deconvolution2D",
        _DECONVOLUTION | {"border_mode": "valid", "subsample": [2, 1], "output_shape": [None, 10, 9, 5]},
        plain("conv_transpose", filters=5, kernel_size=(3, 2), strides=(2, 1), output_padding=(1, 0)),
    ),
}


@pytest.mark.parametrize("name", KERAS_1)
def test_keras_1_s_names(name: str) -> None:
    class_name, config, expected = KERAS_1[name]
    assert read(class_name, "Keras 1.2", **config) == expected


@pytest.mark.parametrize(
    ("mode", "kind"), [("sum", "add"), ("mul", "multiply"), ("ave", "average"), ("max", "maximum"), ("dot", "dot")]
)
def test_keras_1_s_merge(mode: str, kind: str) -> None:
    layer = read("Merge", "Keras 1.2", mode=mode, mode_type="raw")
    assert isinstance(layer, Plain) and layer.kind == kind


TODAY: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "an array of NumPy's": (
        "LeakyReLU",
        {"alpha": {"type": "ndarray", "value": 0.3}},
        {"activation": activation("leaky_relu", negative_slope=0.3)},
    ),
    "LeakyReLU's own slope": ("LeakyReLU", {}, {"activation": activation("leaky_relu", negative_slope=0.3)}),
    "the activation's slope": (
        "Activation",
        {"activation": "leaky_relu"},
        {"activation": activation("leaky_relu", negative_slope=0.2)},
    ),
    "an activation that is stored": (
        "Activation",
        {"activation": {"class_name": "LeakyReLU", "config": {"negative_slope": 0.1}}},
        {"activation": activation("leaky_relu", negative_slope=0.1)},
    ),
    "a clipped ReLU": (
        "ReLU",
        {"max_value": 6.0, "negative_slope": 0.0, "threshold": 0.0},
        {"activation": activation("relu", max_value=6.0)},
    ),
    "swish": ("Activation", {"activation": "swish"}, {"activation": activation("silu")}),
    "an axis in a list": ("BatchNormalization", {"axis": [3]}, {"axis": 3, "epsilon": 1e-3, "momentum": 0.99}),
    "axes": ("LayerNormalization", {"axis": [1, 2]}, {"axis": (1, 2), "epsilon": 1e-3}),
    "one axis": ("LayerNormalization", {"axis": -1, "rms_scaling": True}, {"axis": (-1,), "rms": True}),
    "padding as one number": ("ZeroPadding2D", {"padding": 2}, {"padding": ((2, 2), (2, 2))}),
    "padding as two": ("ZeroPadding2D", {"padding": [1, 2]}, {"padding": ((1, 1), (2, 2))}),
    "padding as pairs": ("ZeroPadding2D", {"padding": [[1, 2], [3, 4]]}, {"padding": ((1, 2), (3, 4))}),
    "cropping of one axis": ("Cropping1D", {"cropping": [1, 2]}, {"cropping": ((1, 2),)}),
    "strides null": ("MaxPooling2D", {"pool_size": [3, 2], "strides": None}, {"size": (3, 2), "strides": (3, 2)}),
    "channels first": (
        "Conv2D",
        {"filters": 2, "kernel_size": 3, "data_format": "channels_first"},
        {"channels_first": True, "kernel_size": (3, 3)},
    ),
    "causal": (
        "Conv1D",
        {"filters": 2, "kernel_size": [3], "padding": "causal"},
        {"padding": "causal", "strides": (1,), "dilation": (1,)},
    ),
    "dot over two axes": ("Dot", {"axes": [1, 2], "normalize": True}, {"axes": (1, 2), "normalize": True}),
    "noise over some axes": (
        "Dropout",
        {"rate": 0.4, "noise_shape": [None, 1, None]},
        {"rate": 0.4, "noise_shape": (None, 1, None)},
    ),
    "use_scale by default": ("AdditiveAttention", {}, {"use_scale": True, "score_mode": "additive"}),
    "no use_scale by default": ("Attention", {}, {"use_scale": False, "score_mode": "dot"}),
    "heads over axes": (
        "MultiHeadAttention",
        {"num_heads": 2, "key_dim": 3, "attention_axes": [2, 3], "output_shape": [4]},
        {"axes": (2, 3), "output_shape": (4,), "key_value_heads": None},
    ),
    "an image at random": ("RandomRotation", {"factor": 0.2, "fill_mode": "reflect", "seed": 1}, {}),
    "value_dim null": ("MultiHeadAttention", {"num_heads": 2, "key_dim": 3, "value_dim": None}, {"value_dim": 3}),
    "Embedding of 2.0's dtype": (
        "Embedding",
        {"input_dim": 9, "output_dim": 4, "dtype": "int32"},
        {"mask_zero": False},
    ),
    "a number of NumPy's": ("Dropout", {"rate": {"type": "ndarray", "value": 0.25}}, {"rate": 0.25}),
    "3.0 units": ("Dense", {"units": 3.0}, {"units": 3}),
}


@pytest.mark.parametrize("name", TODAY)
def test_values_in_their_several_forms(name: str) -> None:
    class_name, config, expected = TODAY[name]
    layer = read(class_name, "tf.keras 2.15", **config)
    assert isinstance(layer, Plain)
    assert {key: layer.options[key] for key in expected} == expected


@pytest.mark.parametrize("name", ["Theano", "Keras 2.2"])
def test_theano_pads_at_the_start(name: str) -> None:
    """Measured: an odd total of padding same; a window of even size, or strides."""
    for config, odd in (
        ({"kernel_size": [4]}, True),
        ({"kernel_size": [3]}, False),
        ({"kernel_size": [3], "strides": [2]}, True),
    ):
        layer = read("Conv1D", name, filters=2, padding="same", **config)
        assert isinstance(layer, Plain) and layer.options["pad_start"] == (odd and name == "Theano")
        again = cell("ConvLSTM2D", name, filters=2, padding="same", kernel_size=config["kernel_size"] * 2)
        assert again.pad_start == (name == "Theano" and config["kernel_size"] == [4])


REFUSED: dict[str, tuple[str, dict[str, Any], type[PortingError], str]] = {
    "an unknown key": ("Dense", {"units": 3, "surprise": 1}, Unsupported, "unknown option surprise of Dense"),
    "an activation layer's unknown key": ("ReLU", {"surprise": 1}, Unsupported, "unknown option surprise of ReLU"),
    "padding full": ("Conv1D", {"filters": 2, "kernel_size": 2, "padding": "full"}, Unsupported, "'full' as padding"),
    "padding causal of two axes": (
        "Conv2D",
        {"filters": 2, "kernel_size": 2, "padding": "causal"},
        Unsupported,
        "'causal' as padding",
    ),
    "a pool's padding": ("MaxPooling1D", {"padding": "causal"}, Unsupported, "expected valid or same"),
    "several axes": ("BatchNormalization", {"axis": [1, 2]}, Unsupported, "several axes"),
    "a mode": ("BatchNormalization", {"mode": 1}, Unsupported, "mode=1"),
    "a mode of the batch": ("BatchNormalization", {"mode": 2}, Unsupported, "mode=2"),
    "an aspect ratio": (
        "Resizing",
        {"height": 3, "width": 4, "crop_to_aspect_ratio": True},
        Unsupported,
        "crop_to_aspect_ratio",
    ),
    "an odd output_shape": (
        "Deconvolution2D",
        {"filters": 2, "kernel_size": 3, "strides": 2, "padding": "same", "output_shape": [None, 7, 8, 2]},
        Unsupported,
        "no multiple of its strides",
    ),
    "a score": ("Attention", {"score_mode": "cosine"}, Unsupported, "'cosine' as score_mode"),
    "interpolation": ("UpSampling2D", {"interpolation": "evil"}, Unsupported, "'evil' as interpolation"),
    "units of text": ("Dense", {"units": "x"}, DamagedFile, r"l\.units: expected a positive whole number"),
    "an epsilon of text": ("BatchNormalization", {"epsilon": "x"}, DamagedFile, r"l\.epsilon: expected a number"),
    "a flag of text": ("Embedding", {"input_dim": 3, "output_dim": 2, "mask_zero": "x"}, DamagedFile, r"l\.mask_zero"),
    "strides of zero": ("Conv1D", {"filters": 2, "kernel_size": [2], "strides": [0]}, DamagedFile, r"at least 1"),
    "a target of text": ("Reshape", {"target_shape": ["x"]}, DamagedFile, r"l\.target_shape"),
    "a slope of text": ("LeakyReLU", {"alpha": "x"}, DamagedFile, r"l\.alpha: expected a number"),
    "a merge of its author's": ("Merge", {"mode": "x"}, Unsupported, "Merge with mode x"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_understood_is_refused_by_name(name: str) -> None:
    class_name, config, kind, said = REFUSED[name]
    with pytest.raises(kind, match=said):
        read(class_name, "tf.keras 2.15", **config)


def test_every_option_of_every_class_has_a_reader() -> None:
    for class_name, row in plain_layers.CLASSES.items():
        for option in row.keys.values():
            known = {option, f"{row.kind}.{option}"} & {"activation", *READERS, *SPATIAL_READERS}
            assert option in KINDS[row.kind].options and known, f"{class_name}.{option}"


@pytest.mark.parametrize("option", ["padding", "score_mode"])
def test_without_its_reader_any_word_passes(option: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class_name, config = {
        "padding": ("Conv1D", {"filters": 2, "kernel_size": 2, "padding": "full"}),
        "score_mode": ("Attention", {"score_mode": "cosine"}),
    }[option]
    with pytest.raises(Unsupported):
        read(class_name, "Keras 3.15", **config)
    if option == "padding":
        monkeypatch.setitem(SPATIAL_READERS, option, lambda value, rank, where: value)  # type: ignore[arg-type]
    else:
        monkeypatch.setitem(READERS, option, lambda value, where: value)  # type: ignore[arg-type]
    assert read(class_name, "Keras 3.15", **config)


SOUND = {
    "units": 3,
    "input_dim": 9,
    "output_dim": 4,
    "filters": 2,
    "kernel_size": 2,
    "target_shape": [2, 6],
    "dims": [2, 1],
    "n": 2,
    "num_heads": 2,
    "key_dim": 3,
    "axes": 1,
}
WRONG = (
    None,
    True,
    -1,
    0,
    1e300,
    "x",
    [],
    [[]],
    [None],
    {},
    {"class_name": "x"},
    {"type": "ndarray"},
    ["a"],
    [1, 2, 3, 4],
)


@pytest.mark.parametrize("class_name", [*plain_layers.CLASSES, *plain_layers.ACTIVATION_LAYERS])
def test_whatever_stands_under_a_key_is_read_or_refused(class_name: str) -> None:
    own = plain_layers.CLASSES[class_name].keys if class_name in plain_layers.CLASSES else ()
    others = ("name", "dtype", "trainable", "batch_input_shape", "alpha", "theta", "axis", "mode", "attention_axes")
    sound = {key: value for key, value in SOUND.items() if key in own}
    for era in ("Keras 1.2", "tf.keras 2.15", "Keras 3.15"):
        for key in {*own, *others}:
            for value in WRONG:
                try:
                    parsed(class_name, era, **{**sound, key: value})
                except PortingError as error:
                    assert "contradicts itself" not in str(error), (era, key, value, str(error))
