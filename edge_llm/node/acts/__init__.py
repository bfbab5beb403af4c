"""What sentences to the house come to: what is called, and what the node does itself."""
