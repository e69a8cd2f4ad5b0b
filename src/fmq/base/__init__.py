"""Files, locks, messages and seeds: helpers that every other subpackage may import."""
