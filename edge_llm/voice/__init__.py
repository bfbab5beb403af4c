"""A Wyoming server before a node: what was heard comes in as text, and what to say goes back."""
