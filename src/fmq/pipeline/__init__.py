"""The job graph of a study: runs, their bindings and paths, and functions for the Snakefile."""
