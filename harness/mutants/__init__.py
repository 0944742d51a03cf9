"""Wrong ports. `mutant` says what one is, `mistakes` does it, `table` has a row each (those `of_weights`, `of_runs` and
`of_training` among them), and `pairs` plants two at once."""
