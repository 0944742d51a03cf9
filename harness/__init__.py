"""Proof and timing of ports: the command `lstm-parity` (`cli`), the pytest plugin, and what they run.

The main job is `verify`: its `cases` become `problems`, every one of the `backends` answers, and `check` holds each
answer to what is `expected`, within `bounds`. ARCHITECTURE.md says what lies in each folder."""
