"""The judge: float64 NumPy, equations as in the papers, independent of every framework."""

# `model` runs a whole model, `recurrent` a layer over time, `cells` one step (with `products`; of images `conv_lstm`,
# over `convolution`), and `backward` goes back through time by hand. `plain` has the layers around, with `images`,
# `normalisation` and `attention`. `trace` is what a run hands out.

from weight_mapping.oracle.backward import backward
from weight_mapping.oracle.model import outputs, run, run_with_states
from weight_mapping.oracle.recurrent import forward
from weight_mapping.oracle.trace import CellTrace, Dropout, Gradients, Read, Trace

__all__ = [
    "CellTrace",
    "Dropout",
    "Gradients",
    "Read",
    "Trace",
    "backward",
    "forward",
    "outputs",
    "run",
    "run_with_states",
]
