import pytest

pytest.register_assert_rewrite(
    "tests.conversation", "tests.homeassistant", "tests.processes", "tests.fleet.hosts"
)
