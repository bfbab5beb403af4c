"""Shows the node and its house as they are: followed on the broker, streamed to pages."""
