"""A stranger's file, read apart: `confined` starts `reader`, the process that reads, and takes one of `readings` from
it as plain data (`inspection` is one), which `answers` checks; `forking` spares a whole folder the imports of each."""
