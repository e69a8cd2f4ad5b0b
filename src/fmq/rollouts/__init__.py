"""Episodes that were counted, to look at: their states, films, and ways through the mazes."""
