"""Makes docs/page.png again: the page of a verification in Chromium, its first screen."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

COMMAND = "from harness.cli import main; main()"
CASES = ("lstm/*", "gru*/default*")
WIDTH, HEIGHT = 1280, 1240


def main(picture: str, results: str | None = None) -> None:
    """`picture`: the file to write. `results`: the results.json to show; without it some cases are verified first."""
    from playwright.sync_api import sync_playwright

    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        sys.exit("chromium is not installed")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        page = Path(folder) / "report.html"
        chosen = ["verify", *(word for case in CASES for word in ("--case", case)), "--no-bench", "-o", folder]
        arguments = ["report", results, "-o", str(page)] if results else chosen
        subprocess.run([sys.executable, "-c", COMMAND, *arguments], check=True)
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        tab.goto(page.as_uri())
        tab.screenshot(path=picture)
        browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
