"""The kinds of components: what each one's options say that it can do, and how."""
