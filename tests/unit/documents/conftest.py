from collections.abc import Iterator

import pytest

from edge_llm.client import RequestError
from tests.unit.documents.desk import Desk


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    yield desk
    desk.responder.stop(0)
    for frames in desk.node._frames:
        frames.put(RequestError("unavailable", "closed"))
