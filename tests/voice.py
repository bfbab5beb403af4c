"""A real `edge-llm voice` before the node, the example of a room, and speech programs for it."""

import asyncio
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from types import ModuleType

import psutil
from wyoming.asr import Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.event import async_read_event, async_write_event
from wyoming.tts import Synthesize
from wyoming.wake import Detection

from edge_llm.demo.processes import free_port, process
from tests.common import NODE, answers, eventually
from tests.processes import HasPort, clean_environment

EXAMPLE = Path(__file__).parents[1] / "config/voice/room.py"


@contextmanager
def running(broker: HasPort, directory: Path, *options: str, **settings: object) -> Iterator[str]:
    """Run the server at a broker; yields its URI."""
    port = free_port()
    given = {"MQTT__HOST": "127.0.0.1", "MQTT__PORT": broker.port, "NODE__ID": NODE, "VOICE__PORT": port}
    environment = clean_environment() | {
        f"EDGE_LLM_{name.upper()}": str(value) for name, value in {**given, **settings}.items()
    }
    command = [sys.executable, "-m", "edge_llm.cli", "voice", *options]
    with process(command, directory / "voice.log", environment) as server:
        eventually(lambda: answers(port))
        yield f"tcp://127.0.0.1:{port}"
    assert server.wait() == 0  # it ends in order


@contextmanager
def serving(command: list[str], port: int, log: Path) -> Iterator[psutil.Popen]:
    """Run a Wyoming server of somebody else's, which is to listen on a port."""
    with process(command, log) as server:
        eventually(lambda: answers(port) or server.poll() is not None)
        assert server.poll() is None, log.read_text()
        yield server


def room() -> ModuleType:
    """The example of a room, as a module."""
    spec = importlib.util.spec_from_file_location("room", EXAMPLE)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Programs:
    """A recogniser that hears what a test says, a voice that keeps what it is to say, and a wake word.

    The recogniser answers at the end of the audio, or, as with --vad-endpointing, after ``endpoint`` chunks.
    """

    def __init__(self, *heard: str, endpoint: int = 0) -> None:
        self.spoken: list[str] = []
        self.waited_for: list[str] = []
        """Wake words, by name."""
        self._heard = list(heard)
        self._endpoint = endpoint
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="programs")

    def __enter__(self) -> str:
        self._thread.start()
        return asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _start(self) -> str:
        self._server = await asyncio.start_server(self._attend, "127.0.0.1", 0)
        return f"tcp://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _stop(self) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _attend(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        chunks = 0
        kind = ""
        while event := await async_read_event(reader):
            if event.type in ("transcribe", "detect"):
                kind = event.type
                self.waited_for += event.data.get("names") or ()
            chunks += event.type == "audio-chunk"
            if event.type == "audio-stop" or chunks == self._endpoint > 0:
                told = (
                    Detection() if kind == "detect" else Transcript(self._heard.pop(0) if self._heard else "")
                )
                await async_write_event(told.event(), writer)
            elif Synthesize.is_type(event.type):
                self.spoken.append(Synthesize.from_event(event).text)
                for part in (AudioStart(16000, 2, 1), AudioChunk(16000, 2, 1, b"\1\0" * 800), AudioStop()):
                    await async_write_event(part.event(), writer)
        writer.close()
