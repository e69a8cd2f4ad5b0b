"""Data sets: scripted generators, readers of the published formats, and sampling of chunks."""
