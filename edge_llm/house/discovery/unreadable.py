"""The error of an announcement, or a part of one, that cannot be read."""


class Unreadable(Exception):  # noqa: N818 - it is said of an announcement, and is no fault of the node
    """The reason in one line, which quotes nothing of the announcement."""


class BadTopic(Unreadable):
    """A topic that no device may have: such a device is not read at all."""
