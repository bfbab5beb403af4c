"""The ids that stand in topics: of nodes, of clients, of the documents service."""

from typing import Annotated

from pydantic import Field

ID_PATTERN = r"^[A-Za-z0-9_.-]{1,64}$"
Identifier = Annotated[str, Field(pattern=ID_PATTERN)]
