"""The house that Home Assistant describes to the nodes."""
