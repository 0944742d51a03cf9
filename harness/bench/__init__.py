"""The benchmark: `plan` says what is timed (`implementations` are its rows, `tools` times the commands, `growth` the
sizes) and does it step by step (`following`), in processes of their own (`fresh`), in each of which `rounds` takes its
`jobs` by the `stopwatch`. `intervals`, `speed` (the records), `work` (operations, the roof) and `goals` judge."""
