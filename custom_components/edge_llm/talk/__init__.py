"""What becomes of a sentence: calls that are carried out, and words."""
