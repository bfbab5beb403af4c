"""The house that a node acts in: what its devices are called, and what they can do."""
