"""A ported model as one Python file of plain PyTorch that needs nothing of this project.

`writing` makes the file and the weights beside it. Its text grows in a `writer`: `recurrent` and `plain` state a layer,
as a module of PyTorch's where there is one. For the rest `pieces` holds the source of Keras' cells, which `bundle`
copies with all that it needs, and `tracing` writes down what the library's own functions do."""

from weight_mapping.torch.standalone.writing import (
    MODEL,
    WEIGHTS,
    Standalone,
    save_standalone,
    standalone,
    write_standalone,
)

__all__ = ["MODEL", "WEIGHTS", "Standalone", "save_standalone", "standalone", "write_standalone"]
