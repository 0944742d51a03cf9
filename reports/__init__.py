"""The pages, out of `harness.results` alone.

`render` makes the page of a run: its sentence (`verdict`), the cases by checks (`matrix`), the benchmark's rows
(`timings`) and what is new (`changes`), in words of `text`. It draws by `charts`, `roofline` and `scaling` (matplotlib,
through `svg`), `curves`, `heat` and `graph` (plain SVG); `drawing` is for `explain`. `folder` makes the index of a
whole folder. `findings` lists what was judged, for `junit` and `markdown`. `kept` keeps compiled templates."""
