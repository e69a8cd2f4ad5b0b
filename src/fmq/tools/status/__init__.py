"""Report the progress of a study from the files that its jobs write, without importing torch."""
