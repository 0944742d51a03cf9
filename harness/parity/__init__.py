"""A Keras model and a PyTorch module of the user's own: `comparing` runs both `sides` and holds one to the other within
what `rounding` explains; `telling` says where they disagree."""

from harness.parity.comparing import Comparison, compare
from harness.parity.telling import message

__all__ = ["Comparison", "compare", "message"]
