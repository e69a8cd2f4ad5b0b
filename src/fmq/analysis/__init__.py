"""From evaluation files to tables and figures; nothing here imports torch."""
