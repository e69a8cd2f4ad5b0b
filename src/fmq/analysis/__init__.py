"""Turn evaluation files into tables and figures, without importing torch."""
