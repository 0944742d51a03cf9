"""Makes docs/page.png again: a verification of some cases, its page in Chromium, the first screen of it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

CASES = ("lstm/default*", "lstm/mask/right-padded*", "gru*/default*", "bidirectional/concat*")
WIDTH, HEIGHT = 1280, 1240


def main(picture: str) -> None:
    """`picture`: the file to write."""
    from playwright.sync_api import sync_playwright

    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        sys.exit("chromium is not installed")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        chosen = [word for case in CASES for word in ("--case", case)]
        command = [sys.executable, "-c", "from harness.cli import main; main()", "verify", *chosen, "--no-bench"]
        subprocess.run([*command, "-o", folder], check=True)
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        tab.goto((Path(folder) / "report.html").as_uri())
        tab.screenshot(path=picture)
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1])
