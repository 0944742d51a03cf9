"""Which mistake explains a difference between two `answers`, two `models` or files, two Python `objects`; what is
`likely` in a user's own pair, and where its weights part (`located`). `tally` counts how often that is right."""
