"""An actor that runs, for one test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.node.acts.rig import Rig


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.sqlite"


@pytest.fixture
def rig(path: Path) -> Iterator[Rig]:
    rig = Rig(path)
    rig.actor.start()
    yield rig
    rig.actor.stop()
    rig.database.close()
