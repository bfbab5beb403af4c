"""Reads files into text with headings and pages, and cuts that into passages. Knows no database."""
