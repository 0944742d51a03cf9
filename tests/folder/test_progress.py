"""How far a run is: lines with rate and remaining time, a bar on a terminal, colours only where they are wanted."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import suppress

import pytest

from harness.folder import fates, line, progress
from harness.folder.run import Settled
from harness.pace import Pace
from weight_mapping.errors import PortingError


def settled(fate: fates.Fate = fates.PORTED, *, new: bool = True) -> Settled:
    return Settled(line.of_unreadable("a.h5", {}, "c", fate, PortingError("no")), new)


def test_lines_tell_rate_remaining_time_and_fates(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with progress.progress(200) as tell:
        for n in range(30):
            now[0] += 0.5
            tell(settled(fates.REFUSED if n % 3 == 0 else fates.PORTED, new=n >= 10))
    told = capsys.readouterr()
    assert not told.out
    assert told.err.splitlines() == [
        "10 of 200 (10 from before), 0.0 files/s: 6 ported, 4 refused",
        "20 of 200 (10 from before), 1.0 files/s, 3 min 0 s left: 13 ported, 7 refused",
        "30 of 200 (10 from before), 1.3 files/s, 2 min 8 s left: 20 ported, 10 refused",
    ]


def test_a_slow_run_says_what_each_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    slow = Pace(10, "cases")
    assert slow.sentence == "0 of 10, 0.0 cases/s"
    now[0] = 80.0
    slow.count(2)
    assert slow.sentence == "2 of 10, 40 s each, 5 min 20 s left"


def _until_its_end(terminal: int) -> str:
    """What is written to a terminal until nobody has it open any more, which Linux says by an error."""
    pieces = []
    with suppress(OSError):
        while piece := os.read(terminal, 1 << 16):
            pieces.append(piece)
    os.close(terminal)
    return b"".join(pieces).decode()


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
@pytest.mark.parametrize("no_color", [False, True])
def test_a_terminal_gets_a_bar(no_color: bool) -> None:
    import pty

    code = (
        "from harness.folder import progress, fates, line\n"
        "from harness.folder.run import Settled\n"
        "one = Settled(line.of_unreadable('a.h5', {}, 'c', fates.PORTED, ValueError('x')), True)\n"
        "with progress.progress(3) as tell: [tell(one) for _ in range(3)]\n"
    )
    ours, theirs = pty.openpty()
    told = ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE")
    environment = {k: v for k, v in os.environ.items() if k not in told}
    environment |= {"TERM": "xterm", "COLUMNS": "100", **({"NO_COLOR": "1"} if no_color else {})}
    with subprocess.Popen([sys.executable, "-c", code], stderr=theirs, env=environment) as drawing:
        os.close(theirs)
        shown = _until_its_end(ours)
    assert drawing.returncode == 0
    assert "3/3" in shown and "files/s" in shown and "3 ported" in shown
    assert ("\x1b[32m" in shown) is not no_color
