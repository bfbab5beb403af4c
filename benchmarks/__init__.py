"""Comparisons with other engines; not part of the wheel."""
