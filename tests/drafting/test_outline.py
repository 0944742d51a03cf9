"""Weights without a configuration: the chain that they imply is drafted, what they can't tell is open, and a draft
that is filled in ports with the answers of the model that was saved."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import nn

import weight_mapping as wm
import weight_mapping.torch as wt
from harness.cli import main
from weight_mapping.drafting import outline as outlining
from weight_mapping.drafting.open_choices import OPEN, questions, refuse_open
from weight_mapping.drafting.outline import outline
from weight_mapping.errors import PortingError
from weight_mapping.files import open_archive
from weight_mapping.spec import Cell, leaves
from weight_mapping.weights import Portable

pytestmark = pytest.mark.filterwarnings("ignore")
WILD = Path(__file__).resolve().parents[2] / ".." / "shared" / "wild"
# float32 in Keras against float64 here: fewer than 100 terms a sum, values of about 1, five layers.
BOUND = 1e-5


def text(K: Any) -> list[Any]:
    return [
        K.layers.Embedding(11, 4, mask_zero=True),
        K.layers.SpatialDropout1D(0.2),
        K.layers.Bidirectional(K.layers.LSTM(3, return_sequences=True)),
        K.layers.GRU(5, activation="relu", reset_after=False),
        K.layers.Dense(2, activation="softmax"),
    ]


def series(K: Any) -> list[Any]:
    return [
        K.layers.Conv1D(6, 3, padding="same", activation="relu"),
        K.layers.MaxPooling1D(2),
        K.layers.BatchNormalization(),
        K.layers.LSTM(4, recurrent_activation="hard_sigmoid"),
        K.layers.RepeatVector(3),
        K.layers.SimpleRNN(4, return_sequences=True, use_bias=False),
        K.layers.LeakyReLU(0.1),
        K.layers.TimeDistributed(K.layers.Dense(2)),
    ]


def summed(K: Any) -> list[Any]:
    return [
        K.layers.Bidirectional(K.layers.GRU(4, return_sequences=True), merge_mode="sum"),
        K.layers.LayerNormalization(),
        K.layers.RNN([K.layers.LSTMCell(3), K.layers.GRUCell(2)], go_backwards=True),
        K.layers.Activation("tanh"),
    ]


MODELS: Mapping[str, tuple[Callable[[Any], list[Any]], tuple[int, ...]]] = {
    "text": (text, (6,)),
    "series": (series, (8, 5)),
    "summed": (summed, (10, 7)),
}


def stored(name: str, folder: Path) -> tuple[dict[str, Any], Any, Any]:
    """The model's true configuration, an input and what tf_keras computes; its weights alone in `folder`."""
    K = pytest.importorskip("tf_keras", reason="needs tf_keras")
    build, shape = MODELS[name]
    model = K.Sequential([K.Input(shape), *build(K)])
    rng = np.random.default_rng(2)
    model.set_weights([rng.uniform(0.2, 0.9, a.shape) - 0.4 * (a.ndim > 1) for a in model.get_weights()])
    x = rng.integers(1, 11, (3, *shape)) if len(shape) == 1 else rng.standard_normal((3, *shape))
    x = x.astype(np.float32)
    model.save_weights(folder / "w.h5")
    return json.loads(model.to_json()), x, np.asarray(model(x, training=False))


def filled(draft: Any, true: Any) -> Any:
    """The draft with the true configuration's values in place of its marks."""
    if isinstance(draft, dict):
        if "class_name" in draft and isinstance(true, dict) and draft["class_name"] != true.get("class_name"):
            assert draft["class_name"].startswith(OPEN)
        return {key: filled(value, true.get(key) if isinstance(true, dict) else None) for key, value in draft.items()}
    if isinstance(draft, list):
        theirs = true if isinstance(true, list) else [None] * len(draft)
        return [filled(mine, other) for mine, other in zip(draft, theirs, strict=True)]
    return true if isinstance(draft, str) and draft.startswith(OPEN) else draft


def layers_of(config: dict[str, Any]) -> list[dict[str, Any]]:
    return [layer for layer in config["config"]["layers"] if layer["class_name"] != "InputLayer"]


@pytest.mark.parametrize("name", MODELS)
def test_a_draft_that_is_filled_in_gives_the_saved_models_answers(name: str, tmp_path: Path) -> None:
    true, x, expected = stored(name, tmp_path)
    draft = outline(open_archive(tmp_path / "w.h5"))
    assert [layer["class_name"] for layer in layers_of(draft)] == [layer["class_name"] for layer in layers_of(true)]
    told = layers_of(true)
    for mine, theirs in zip(layers_of(draft), told, strict=True):
        for place in (mine["config"], *([mine["config"]["layer"]["config"]] if "layer" in mine["config"] else [])):
            other = theirs["config"] if place is mine["config"] else theirs["config"]["layer"]["config"]
            for key in ("units", "use_bias", "reset_after", "filters", "kernel_size", "input_dim", "output_dim"):
                assert key not in place or place[key] == other[key], (mine, key)
    with pytest.raises(PortingError, match=r"choices of the drafted configuration are open"):
        refuse_open(draft)
    done = {**draft, "config": {**draft["config"], "layers": filled(layers_of(draft), told)}}
    done["config"]["layers"][0]["config"]["batch_input_shape"] = [None, *MODELS[name][1]]
    for layer in done["config"]["layers"]:
        if layer["class_name"] == "Bidirectional":  # a file that names one direction means the same for both
            inner = layer["config"]["layer"]["config"]
            layer["config"]["backward_layer"]["config"] = {**inner, "name": "backward", "go_backwards": True}
    (tmp_path / "config.json").write_text(json.dumps(done))
    portable = wm.load(tmp_path / "w.h5", tmp_path / "config.json")
    np.testing.assert_allclose(wm.oracle.run(portable, x), expected, rtol=0, atol=BOUND)


def test_what_the_neighbours_tell_is_not_asked(tmp_path: Path) -> None:
    stored("text", tmp_path)
    _, _, both, gru, _ = layers_of(outline(open_archive(tmp_path / "w.h5")))
    assert both["config"]["merge_mode"] == "concat", "the GRU takes twice the units"
    assert both["config"]["layer"]["config"]["return_sequences"] is True
    assert gru["config"]["return_sequences"].startswith(OPEN)
    stored("summed", tmp_path)
    both = layers_of(outline(open_archive(tmp_path / "w.h5")))[0]
    assert both["config"]["merge_mode"] == f"{OPEN}sum, mul or ave"


def test_a_model_that_is_no_chain_is_told(tmp_path: Path) -> None:
    K = pytest.importorskip("tf_keras", reason="needs tf_keras")
    x = K.Input((6, 3))
    one, other = K.layers.LSTM(4)(x), K.layers.LSTM(5)(x)
    K.Model(x, K.layers.Dense(2)(K.layers.Concatenate()([one, other]))).save_weights(tmp_path / "w.h5")
    asked = dict(questions(outline(open_archive(tmp_path / "w.h5"))))
    assert any("takes 3 numbers, and what stands before it gives 4" in likely for likely in asked.values()), asked


def test_the_command_asks_and_port_refuses_until_all_is_answered(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stored("text", tmp_path)
    config = tmp_path / "config.json"
    with pytest.raises(SystemExit) as ended:
        main(["draft", str(tmp_path / "w.h5"), "-o", str(config)])
    said = capsys.readouterr().out
    assert ended.value.code == 0 and re.search(r"open: gru\w*\.activation: tanh\?", said) and "open: dense" in said
    again = ["draft", str(tmp_path / "w.h5"), "-o", str(config)]
    with pytest.raises(SystemExit) as ended:
        main(again)
    assert ended.value.code == 2 and "may have been edited" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        main(["port", str(tmp_path / "w.h5"), "--config", str(config), "-o", str(tmp_path / "ported"), "--no-proof"])
    told = capsys.readouterr().err
    assert ended.value.code == 2 and "choices of the drafted configuration are open" in told, told
    assert not (tmp_path / "ported").exists()


def test_a_mark_that_is_overlooked_would_be_ported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The guard's guard: without the check an open choice reaches the reading of the configuration."""
    stored("text", tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(outline(open_archive(tmp_path / "w.h5"))))
    monkeypatch.setattr("weight_mapping.loading.refuse_open", lambda _: None)
    with pytest.raises(PortingError) as refused:
        wm.load(tmp_path / "w.h5", tmp_path / "config.json")
    assert "open" not in refused.value.what


def test_unknown_arrays_are_a_question(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file.attrs["layer_names"] = [b"odd"]
        group = file.create_group("odd")
        group.attrs["weight_names"] = [b"odd/mystery:0"]
        group["odd/mystery:0"] = np.zeros((3, 4), np.float32)
    draft = outline(open_archive(tmp_path / "w.h5"))
    assert layers_of(draft)[0]["class_name"] == f"{OPEN}the layer with odd/mystery:0 (3, 4)"
    assert outlining.outline is outline


@pytest.mark.skipif(not WILD.exists(), reason="the published models are not here")
@pytest.mark.parametrize(
    ("file", "answers", "shape"),
    [
        ("epr3__desharnais-neural-net__lstm.h5", {"return_sequences": False}, (4, 10, 9)),
        ("laohantuiche__Spec_Partition__seq2seq_weights.h5", {"n": 10}, (4, 10, 30)),
        ("laohantuiche__Spec_Partition__seq2seq_weights_43.h5", {"n": 10}, (4, 10, 30)),
        ("mukulbasu__SequencePredictionLSTM__gru_model.h5", {}, (4, 10, 7)),
        ("mukulbasu__SequencePredictionLSTM__lstm_model.h5", {}, (4, 10, 7)),
        ("ndhpro__PSI-walk__output__model.h5", {"activation": "sigmoid"}, (4, 10)),
        ("ndhpro__PSI-walk__output_aug__model.h5", {"activation": "sigmoid"}, (4, 10)),
        ("ndhpro__PSI-walk__output_v2__model.h5", {"activation": "sigmoid"}, (4, 10)),
    ],
)
def test_published_weights_are_drafted_filled_and_ported(
    file: str, answers: Mapping[str, Any], shape: tuple[int, ...], tmp_path: Path
) -> None:
    """With the likely answers, or those given here."""
    draft = outline(open_archive(WILD / file))
    assert not any("no chain" in likely or "the layer with" in likely for _, likely in questions(draft))

    def answered(value: Any, key: str = "", recurrent: bool = False) -> Any:
        if isinstance(value, dict):
            within = value.get("class_name") in ("LSTM", "GRU") or recurrent
            return {k: answered(v, k, within) for k, v in value.items()}
        if isinstance(value, list):
            return [answered(v) for v in value]
        if not (isinstance(value, str) and value.startswith(OPEN)):
            return value
        if key in answers and not (recurrent and key == "activation"):
            return answers[key]
        likely = value.removeprefix(OPEN)
        return {"false": False, "null, or the length": None}.get(likely, likely)

    (tmp_path / "config.json").write_text(json.dumps(answered(draft)))
    portable = wm.load(WILD / file, tmp_path / "config.json")
    rng = np.random.default_rng(0)
    x = rng.integers(1, 2000, shape) if len(shape) == 2 else rng.standard_normal(shape)
    y = np.asarray(wm.oracle.run(portable, x))
    assert np.isfinite(y).all() and y.std() > 0
    filled_from(WILD / file, portable)


def filled_from(file: Path, portable: Portable) -> None:
    """PyTorch's own layers of the same sizes, filled from the weights alone: each array where the port has it."""
    modules, expected = nn.ModuleList(), []
    for path, leaf in leaves(portable.spec):
        own: Any = portable.weights.get(path)
        if isinstance(leaf, Cell):
            assert leaf.input_size is not None
            kind = {"lstm": nn.LSTM, "gru": nn.GRU}[leaf.kind]
            modules.append(kind(leaf.input_size, leaf.units, batch_first=True))
            expected += [(f"{len(modules) - 1}.{name}_l0", array) for name, array in wm.pack("torch", own).items()]
        elif own and "embeddings" in own:
            modules.append(nn.Embedding(*own["embeddings"].shape))
            expected.append((f"{len(modules) - 1}.weight", own["embeddings"]))
        elif own:
            modules.append(nn.Linear(*own["kernel"].shape))
            expected += [(f"{len(modules) - 1}.weight", own["kernel"].T), (f"{len(modules) - 1}.bias", own["bias"])]
    assert len(wt.fill(modules, file).rows) == len(modules) >= 2
    assert modules.state_dict().keys() == {name for name, _ in expected}
    for name, array in expected:
        np.testing.assert_array_equal(modules.state_dict()[name].numpy(), array)
