"""One batch from beginning to end: found, ported, logged, shown."""

from __future__ import annotations

import shutil
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.folder import log, page
from harness.folder.children import PARTS
from harness.folder.find import find
from harness.folder.plan import plan
from harness.folder.progress import progress
from harness.folder.run import Workers, run
from harness.folder.summary import Summary, summary
from harness.porting.request import Request
from weight_mapping.errors import PortingError


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What a batch came to. `interrupted`: it was ended early, `found` files were there, and the summary is of those
    that are done."""

    summary: Summary
    found: int
    interrupted: bool
    page: Path
    log: Path


def port_all(
    paths: Sequence[Path], output: Path, request: Request, *, config: Path | None, timeout: float,
    workers: AbstractContextManager[Workers], command: str, say: Callable[[str], None],
) -> Batch:  # fmt: skip
    """Port every model under `paths` into folders of `output`, and write its log and its index page. Raises
    PortingError where there is nothing to port."""
    models = list(find(paths, output, say))
    if not models:
        raise PortingError(
            "no Keras model was found", where=", ".join(map(str, paths)),
            expected=".h5, .keras, SavedModel, checkpoint or tfjs files, told by their content",
        )  # fmt: skip
    interrupted = False
    with log.opened(output) as kept, _parts(output), _ending_on_terminate():
        try:
            with workers as them, progress(len(models)) as tell:
                for settled in run(plan(models, output, request, config=config, timeout=timeout), kept, them):
                    tell(settled)
        except KeyboardInterrupt:
            interrupted = True
            kept.catch_up()
        return Batch(
            summary=summary(kept.lines(kept.settled)), found=len(models), interrupted=interrupted,
            page=page.write(kept, command), log=output / log.NAME,
        )  # fmt: skip


@contextmanager
def _parts(output: Path) -> Iterator[None]:
    """Nothing that is not finished stays, now or from an earlier run that was killed."""
    shutil.rmtree(output / PARTS, ignore_errors=True)
    try:
        yield
    finally:
        shutil.rmtree(output / PARTS, ignore_errors=True)


@contextmanager
def _ending_on_terminate() -> Iterator[None]:
    """SIGTERM ends a batch as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
