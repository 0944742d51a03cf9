"""A file a command; `harness.cli` imports each when it is called. Beside them stand parts of some: `summaries` (the
options --junit and --markdown); of `verify`, `sweeping`, `progress` and `outcome`; of `bench`, `timing_tables`."""
