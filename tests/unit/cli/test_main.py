"""The table of commands, and what a command imports: its own module, and nothing for the list of all."""

import subprocess
import sys
from importlib import import_module

import pytest

from edge_llm.cli.main import _COMMANDS, main


@pytest.mark.parametrize("command", [each.name for each in _COMMANDS])
def test_every_command_has_a_module_and_a_help_of_its_own(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert callable(import_module(f"edge_llm.cli.commands.{command}").run)
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert f"edge-llm {command} [-h]" in capsys.readouterr().out


def test_the_list_of_commands_imports_none_of_them() -> None:
    code = (
        "import sys; from edge_llm.cli.main import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: print('imported', *sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    listed, imported = done.stdout.split("imported ")
    assert all(f"    {each.name}" in listed for each in _COMMANDS)
    assert {"pydantic", "numpy", "paho"} & set(imported.split()) == set()
