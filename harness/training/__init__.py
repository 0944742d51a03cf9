"""Training: Keras' `optimizers` and `penalties` as equations, plain gradient `descent`, fifty steps of any optimizer
(`walks`), and where they lead when a convention is not mapped (`divergences`)."""
