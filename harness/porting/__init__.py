"""A port: `port` reads, has it proved (`proving`) where that is `affordable`, and writes it; `seal` closes the folder
and checks it again."""
