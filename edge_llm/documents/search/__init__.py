"""The full-text index of the passages in SQLite: its words, its tables and the ranking."""
