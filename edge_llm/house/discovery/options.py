"""The options of one component, as values of the types that they should have."""

import math
from collections.abc import Mapping
from typing import Any

from edge_llm.house.discovery.unreadable import Unreadable

MAX_TEXT = 4096
"""Maximum length of an option's text in characters."""
_MAX_WORDS = 200
_MAX_NUMBER = 10**9
_TRUE, _FALSE = ("1", "true", "yes", "on", "enable"), ("0", "false", "no", "off", "disable")


class Options:
    """Options by their long names; what is read of them is kept, since it decides what commands publish."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        """Read from ``values``, which nobody changes."""
        self._values = values
        self.used: dict[str, Any] = {}
        """What has been read by ``text``, ``number``, ``flag`` and ``words``."""

    def __contains__(self, name: str) -> bool:
        return self._values.get(name) is not None

    def is_null(self, name: str) -> bool:
        """Whether an option is there and is null."""
        return name in self._values and self._values[name] is None

    def raw(self, name: str) -> Any:
        """The value of an option, whatever it is; this is not kept as read."""
        return self._values.get(name)

    def text(self, name: str, default: str | None = None) -> str | None:
        """A text; numbers and booleans are written as Home Assistant writes them.

        Raises:
            Unreadable: it is something else, or too long.
        """
        self.used[name] = text = text_of(self._values.get(name), name, default)
        return text

    def payload(self, name: str, default: str) -> str:
        """A text that has a default.

        Raises:
            Unreadable: it is something else, or too long.
        """
        text = self.text(name, default)
        return default if text is None else text

    def number(self, name: str, default: float) -> float:
        """A finite number, or a text that is one.

        Raises:
            Unreadable: it is something else, or out of all ranges.
        """
        value = self._values.get(name)
        if isinstance(value, str) and len(value) < 32:
            try:
                value = float(value)
            except ValueError:
                raise Unreadable(f"{name}: it is no number") from None
        if value is None:
            value = default
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise Unreadable(f"{name}: it is no number")
        if not math.isfinite(value) or abs(value) > _MAX_NUMBER:
            raise Unreadable(f"{name}: the number is too large")
        return float(self._used(name, value))

    def flag(self, name: str, default: bool) -> bool:  # noqa: FBT001 - a default value, not a switch
        """A boolean, or a number or text that Home Assistant takes for one.

        Raises:
            Unreadable: it is something else.
        """
        value = self._values.get(name)
        if isinstance(value, str) and (word := value.strip().lower()) in (*_TRUE, *_FALSE):
            value = word in _TRUE
        if value is None:
            value = default
        if not isinstance(value, bool | int | float):
            raise Unreadable(f"{name}: it is neither true nor false")
        return bool(self._used(name, bool(value)))

    def words(self, name: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        """A list of texts; one text is a list of one.

        Raises:
            Unreadable: it is something else, or too long.
        """
        value = self._values.get(name)
        if value is None:
            return tuple(self._used(name, default))
        each = value if isinstance(value, list) else [value]
        if len(each) > _MAX_WORDS:
            raise Unreadable(f"{name}: it has more than {_MAX_WORDS} entries")
        words = [text_of(one, name) for one in each]
        return tuple(self._used(name, tuple(word for word in words if word is not None)))

    def _used(self, name: str, value: Any) -> Any:
        self.used[name] = value
        return value


def text_of(value: Any, name: str, default: str | None = None) -> str | None:
    """A value as text, or ``default`` where there is none.

    Raises:
        Unreadable: it is no text, number or boolean, or too long.
    """
    if value is None:
        return default
    if not isinstance(value, str | int | float):
        raise Unreadable(f"{name}: it is no text")
    text = str(value)
    if len(text) > MAX_TEXT:
        raise Unreadable(f"{name}: it is longer than {MAX_TEXT} characters")
    if not is_unicode(text):
        raise Unreadable(f"{name}: it is no UTF-8 text")
    return text


def is_unicode(text: str) -> bool:
    """Whether a text can be written as UTF-8: JSON can hold halves of characters."""
    return not any("\ud800" <= character <= "\udfff" for character in text) if not text.isascii() else True
