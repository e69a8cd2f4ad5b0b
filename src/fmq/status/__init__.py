"""How far a study is, from the files that its jobs leave; imports no torch."""
