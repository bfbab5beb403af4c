"""Decides who may use the page and the API: names, origins, the token, and limits."""
