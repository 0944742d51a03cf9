"""Names that today's Keras does not take: the file is written all the same, and that Keras loads it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import weight_mapping as wm
from weight_mapping.errors import Unrepresentable
from weight_mapping.plain import plain
from weight_mapping.saving.accepted_names import accepted, with_accepted_names
from weight_mapping.spec import Input, ModelSpec, Node, Ref, chain
from weight_mapping.weights import Portable

pytestmark = pytest.mark.filterwarnings("ignore")


def shared(name: str, other: str = "sum") -> Portable:
    """A Dense of this name called twice, inside a model that is called once."""
    nodes = (
        Node(name=name, layer=name, inputs=(Ref("in#1"),)),
        Node(name=f"{name}#1", layer=name, inputs=(Ref(name),)),
        Node(name=other, layer=other, inputs=(Ref(name), Ref(f"{name}#1"))),
    )
    layers = {name: plain("dense", units=3), other: plain("add")}
    inner = ModelSpec(
        name="inner", inputs=(Input(name="in#1", shape=(None, 3)),), layers=layers, nodes=nodes, outputs=(Ref(other),)
    )
    spec = chain("outer", Input(name="x", shape=(None, 3)), {"the/inner": inner})
    rng = np.random.default_rng(0)
    own = {"kernel": rng.standard_normal((3, 3)).astype("f4"), "bias": rng.standard_normal(3).astype("f4")}
    return Portable(spec=spec, weights={("the/inner", name): own})


@pytest.mark.parametrize("generation", [2, 3])
@pytest.mark.parametrize("name", ["a/b c>d", "_hidden"])
def test_keras_loads_what_is_written(name: str, generation: int, tmp_path: Path) -> None:
    pytest.importorskip("tensorflow", reason="needs TensorFlow")
    package = {2: "tf_keras", 3: "keras"}[generation]
    keras = pytest.importorskip(package, reason=f"needs {package}")
    portable, x = shared(name), np.random.default_rng(1).standard_normal((4, 3)).astype("f4")
    wm.save(portable, tmp_path / "m.keras", keras=generation)
    model = keras.models.load_model(tmp_path / "m.keras")
    # float32 sums of three products, twice over
    np.testing.assert_allclose(model.predict(x, verbose=0), wm.oracle.run(portable, x), rtol=0, atol=1e-5)
    keras.backend.clear_session()


def test_a_name_that_keras_takes_stays() -> None:
    portable = shared("dense")
    portable = replace(portable, spec=replace(portable.spec, layers={"lstm": portable.spec.layers["the/inner"]}))
    assert [accepted(name, 2) for name in ("lstm_1", "a/b", ".x")] == ["lstm_1", "a/b", ".x"]
    assert [accepted(name, 3) for name in ("lstm_1", "a>b", ".x")] == ["lstm_1", "a>b", ".x"]


def test_names_that_would_be_one_are_refused() -> None:
    with pytest.raises(Unrepresentable, match="names are one"):
        with_accepted_names(shared("a/b", "a_b"), 3)
