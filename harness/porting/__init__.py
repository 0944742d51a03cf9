"""A port: `port` reads, has it proved (`proving`) where that is `affordable` by what `cost` tells, and writes it;
`described` says what it is; `seal` closes the folder and checks it again."""
