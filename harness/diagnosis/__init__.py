"""Which mistake explains a difference between two `answers`, two `models` or files, a model and `recordings` of its
port, two Python `objects`; what is `likely` in a user's own pair, and where its weights part (`located`), or in which
of its `gates` a recorded layer does. `tally` counts how often that is right."""
