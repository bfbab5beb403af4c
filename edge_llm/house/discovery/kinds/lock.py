"""Locks."""

from edge_llm.contract.house import Capabilities
from edge_llm.house.discovery.entity import STATE
from edge_llm.house.discovery.parts import Parts, mapped, sends
from edge_llm.house.discovery.unreadable import Unreadable

_STATES = ("open", "opening", "jammed", "unlocking", "locking", "unlocked", "locked")


def lock(parts: Parts) -> Capabilities:
    """A lock; one that wants a code cannot be moved, since there is nobody who knows it."""
    options = parts.options
    words = {options.payload(f"state_{state}", state.upper()): state for state in _STATES}
    parts.reads(STATE, "state_topic", "value_template", mapped(words))
    locks = False
    with parts.part("lock"):
        if "code_format" in options:
            raise Unreadable("code_format: it wants a code")
        sender = parts.needed("command_topic", "command_template", ("code",))
        parts.commands["lock"] = sends(sender, options.payload("payload_lock", "LOCK"))
        parts.commands["unlock"] = sends(sender, options.payload("payload_unlock", "UNLOCK"))
        locks = True
    return Capabilities(lock=locks)
