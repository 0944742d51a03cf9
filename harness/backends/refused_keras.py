"""What a Keras can't be asked: it takes the arguments, and computes something else or fails."""

from __future__ import annotations

from harness.problems import Layer, Problem
from weight_mapping.errors import Unrepresentable
from weight_mapping.spec import Bidirectional, Recurrent


def refuse_what_keras_changes(problem: Problem, keras: int | None, dtype: str, *, on_jax: bool) -> None:
    """Raise Unrepresentable where this generation of Keras computes something else than the layer that it is asked for.

    Keras 3.15 does not hand a SimpleRNN's activity_regularizer on (simple_rnn.py). Bidirectional sets the mask rule
    of its layers by return_sequences, and halves the list of initial states. On JAX the output at masked steps is the
    state before them, also before the first step that counts (backend/jax/rnn.py), where the others put out zeros."""
    layer = problem.layer
    kinds = {cell.kind for _, cell in problem.cells()}
    if keras == 3 and "rnn" in kinds and "activity_regularizer" in problem.arguments:
        raise Unrepresentable("Keras 3's SimpleRNN takes an activity_regularizer and leaves it out")
    sides = sides_of(layer)
    if on_jax and dtype == "float64" and "rnn" in kinds:
        raise Unrepresentable("Keras 3 on JAX fails at a SimpleRNN in float64: its tanh turns the state to float32")
    if on_jax and any(_masked_first(problem, side) for side in sides):
        raise Unrepresentable("Keras 3 on JAX puts out the initial state where the first steps are masked, not zeros")
    if not isinstance(layer, Bidirectional):
        return
    if keras == 3 and layer.forward.return_state and layer.forward.stateful:
        raise Unrepresentable("Keras 3's Bidirectional fails where it returns the states of a stateful layer")
    if problem.mask is not None and any(side.zero_output_for_mask != side.return_sequences for side in sides):
        raise Unrepresentable("Keras' Bidirectional sets zero_output_for_mask to return_sequences")
    if problem.initial_state and len({_state_items(side) for side in sides}) > 1:
        raise Unrepresentable("Keras' Bidirectional gives each direction half of the initial states")


def _masked_first(problem: Problem, side: Recurrent) -> bool:
    """Whether a masked step comes first in a run that shows it and starts from a state."""
    mask, starts = problem.mask, problem.initial_state or side.stateful
    unrolled = problem.arguments.get("unroll", False)
    if mask is None or not starts or side.zero_output_for_mask or unrolled:
        return False
    return not mask[:, -1 if side.go_backwards else 0].all()


def sides_of(layer: Layer) -> tuple[Recurrent, ...]:
    return (layer.forward, layer.backward) if isinstance(layer, Bidirectional) else (layer,)


def _state_items(layer: Recurrent) -> int:
    """How many items the list of a layer's initial states has: one a state, or of a stack one a cell."""
    return len(layer.cells) if len(layer.cells) > 1 else layer.state_count
