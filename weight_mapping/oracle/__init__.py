"""The judge: float64 NumPy, equations as in the papers, independent of every framework."""

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
