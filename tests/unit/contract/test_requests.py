"""Requests as they are read: ranges of the sampling parameters, and a digest that outlives an upgrade."""

import hashlib

import pytest

from edge_llm.contract.requests import Request, digest, parse
from edge_llm.errors import RequestError


@pytest.mark.parametrize(
    "field",
    [
        '"min_p": 1.1',
        '"min_p": -0.1',
        '"repetition_penalty": 0',
        '"repetition_penalty": 9',
        '"frequency_penalty": 3',
        '"presence_penalty": -2.5',
        '"presence_penalty": "much"',
    ],
)
def test_a_penalty_out_of_range_is_refused_by_its_name(field: str) -> None:
    with pytest.raises(RequestError, match=field.split('"')[1]) as refused:
        parse("request", f'{{"text": "hi", {field}}}'.encode(), 1000)
    assert refused.value.code == "bad_request"


def test_a_request_has_the_digest_that_an_older_node_wrote_into_its_log() -> None:
    """Else a request that comes again after an upgrade would be refused as another one under the same id."""
    older = (
        '{"v":1,"text":"hi","messages":null,"session":null,"system":null,"stream":true,"max_tokens":5,'
        '"temperature":null,"top_p":null,"top_k":null,"seed":null,"stop":[],"timeout_s":null,"ttl_s":null,'
        '"custom":null}'
    )
    request = Request(id="1", text="hi", max_tokens=5)
    assert digest("request", request) == hashlib.sha256(f"request {older}".encode()).digest()
    assert digest("request", request.model_copy(update={"min_p": 0.1})) != digest("request", request)
