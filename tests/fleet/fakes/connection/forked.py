"""A connection to this machine that runs a module of Ansible in a fork of the worker that sends it.

A Python that begins anew takes ten times as long to import what a module needs. The module's source, its
environment and its output are those of `local`.
"""

import os
import shlex
import sys
import tempfile
import traceback

from ansible.plugins.connection.local import DOCUMENTATION as LOCAL
from ansible.plugins.connection.local import Connection as LocalConnection

DOCUMENTATION = LOCAL.replace("name: local", "name: forked")


class Connection(LocalConnection):  # type: ignore[misc]  # Ansible brings no types
    """See above."""

    transport = "forked"

    def exec_command(
        self,
        cmd: str,
        in_data: bytes | None = None,
        sudoable: bool = True,  # noqa: FBT001, FBT002 - Ansible's
    ) -> tuple[int, bytes, bytes]:
        """Fork for a module, which comes as the input of a Python; let `local` do the rest."""
        if in_data is None:
            code, output, errors = super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
            return code, output, errors
        words = shlex.split(shlex.split(cmd)[2])
        environment = {}
        while "=" in words[0]:
            name, _, environment[name] = words.pop(0).partition("=")
        with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
            child = os.fork()
            if child == 0:
                _run(in_data, environment, output.fileno(), errors.fileno())
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            output.seek(0)
            errors.seek(0)
            return code, output.read(), errors.read()


def _run(source: bytes, environment: dict[str, str], output: int, errors: int) -> None:
    """What a Python that was given this source would do; does not return."""
    code = 1
    try:
        os.environ.update(environment)
        for number, descriptor in enumerate((os.open(os.devnull, os.O_RDONLY), output, errors)):
            os.dup2(descriptor, number)
        sys.stdin, sys.stdout, sys.stderr = (
            os.fdopen(number, mode, closefd=False) for number, mode in enumerate("rww")
        )
        sys.argv = ["module"]
        exec(compile(source, "module", "exec"), {"__name__": "__main__"})  # noqa: S102 - Ansible's own module
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else end.code is not None
    except BaseException:  # noqa: BLE001 - nothing of the worker's may run in here
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
