"""Nothing leaves the house."""

import os
import subprocess
import sys
from pathlib import Path


def test_onnxruntime_does_not_begin_to_report_to_its_maker(tmp_path: Path) -> None:
    """What would is seen by the device id that it makes in the home directory, and none of it in CI."""
    environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    command = [sys.executable, "-c", "import edge_llm.node.responder"]
    subprocess.run(command, env=environment, check=True, timeout=60)
    assert list(tmp_path.rglob("*")) == []
