"""The process behind `apart`: it holds one backend and its subjects, and does what it is asked until the pipe ends.

Both ends of the pipe are this program's own, so what goes through it is pickled."""

from __future__ import annotations

import os
import sys
from multiprocessing.connection import Connection
from typing import Any

from weight_mapping.errors import Unrepresentable


def main() -> None:
    engine, pipe = sys.argv[1:]
    # What the frameworks warn of while they are at work is not what a crash is told by.
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    serve(Connection(int(pipe)), f"keras 3 on {engine}")


def serve(connection: Connection, name: str) -> None:
    from harness.backends.keras import backend

    kept: dict[int, Any] = {0: backend(name)}
    while True:
        try:
            dropped, target, method, arguments, keep = connection.recv()
        except EOFError:
            return
        for number in dropped:
            kept.pop(number, None)
        try:
            if target not in kept:
                raise LookupError("the layer was in a process that ended")
            answer = getattr(kept[target], method)(*arguments)
            if keep:
                kept[keep], answer = answer, answer.dropout_over_time
        except Unrepresentable as refusal:
            connection.send((None, refusal))
        except Exception as error:  # whatever a framework raises is told to the one who asked
            connection.send((None, RuntimeError(f"{type(error).__name__}: {error}")))
        else:
            connection.send((answer, None))


if __name__ == "__main__":
    main()
