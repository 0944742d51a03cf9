"""A ported model as one Python file of plain PyTorch that needs nothing of this project."""

from weight_mapping.torch.standalone.writing import (
    MODEL,
    WEIGHTS,
    Standalone,
    save_standalone,
    standalone,
    write_standalone,
)

__all__ = ["MODEL", "WEIGHTS", "Standalone", "save_standalone", "standalone", "write_standalone"]
