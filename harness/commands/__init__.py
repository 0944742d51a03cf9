"""One file a command; `harness.cli` imports each when it is called."""
