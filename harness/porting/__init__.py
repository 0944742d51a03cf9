"""A port: `port` reads what a `request` asks for, has it proved (`proving`) where that is `affordable` by what `cost`
tells, and writes it; a module in `targets` knows how, for each of what a file can be ported to; `described` says what
it is; `seal` closes the folder and checks it again."""
