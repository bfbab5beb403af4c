"""Reads the bodies of requests as JSON: what is unknown in them is ignored, as clients expect it."""

import asyncio
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import Request

from edge_llm.contract.reading import explain
from edge_llm.errors import RequestError

_BODY_S = 10.0
"""Seconds that a body may take to come."""
Read = TypeVar("Read", bound=BaseModel)


class Lenient(BaseModel):
    """What clients of the APIs send; unknown fields are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


async def read(request: Request, model: type[Read]) -> Read:
    """Read the body, whatever its content type says.

    Raises:
        RequestError: bad_request, too_large, or timeout: it has not come.
    """
    try:
        async with asyncio.timeout(_BODY_S):
            body = await request.body()
    except TimeoutError as error:
        raise RequestError("timeout", f"the body has not come within {_BODY_S:g} s") from error
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise RequestError("bad_request", explain(error, may_be_text=False)) from error
