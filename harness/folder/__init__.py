"""Whole folders ported: found by content, each file in a process of its own, every fate kept in one log.

`find` -> `plan` (tasks: a file and what is asked of it) -> `local` or `cluster` (who does it) -> `children`, `child`,
`work` (the port) -> `log` (one line a finished file) -> `summary` and `page`, which are read off the log.
"""
