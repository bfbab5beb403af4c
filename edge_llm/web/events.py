"""Server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html."""

EVENTS = "text/event-stream"


def event(name: str, data: bytes) -> bytes:
    """An event with JSON, which has no line breaks of its own."""
    return b"event: %s\ndata: %s\n\n" % (name.encode(), data)


def message(data: bytes) -> bytes:
    """An event without a name."""
    return b"data: %s\n\n" % data
