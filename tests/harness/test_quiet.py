"""What the frameworks say of themselves stays off the terminal; what goes wrong does not."""

from __future__ import annotations

import subprocess
import sys

import pytest

SAYING = """
import logging, os, sys
from harness.quiet import quiet
if sys.argv[1:]:
    with quiet():
        os.write(2, b"I am loaded")
log = logging.getLogger("tensorflow")
log.warning("traced anew")
log.error("out of memory")
"""


@pytest.mark.parametrize("arguments", [["quiet"], []])
def test_only_errors_are_heard(arguments: list[str]) -> None:
    """Without it the warning would be heard as well."""
    run = subprocess.run([sys.executable, "-c", SAYING, *arguments], capture_output=True, text=True, check=True)
    assert run.stderr.split("\n") == (["out of memory", ""] if arguments else ["traced anew", "out of memory", ""])
