"""The devices that announced themselves: which are accepted, what they told, and what moves them."""
