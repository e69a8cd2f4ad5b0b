"""Data sets: made by scripted generators, read in their published formats, served as chunks."""
