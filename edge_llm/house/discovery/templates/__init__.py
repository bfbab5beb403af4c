"""Templates of announcements: a closed subset of Jinja, evaluated here and not by Jinja."""
