"""A Wyoming voice that is espeak-ng: `python -m tests.hubs.voice.espeak PORT`."""

import asyncio
import io
import subprocess
import sys
import wave
from pathlib import Path

from wyoming.audio import wav_to_chunks
from wyoming.event import Event
from wyoming.server import AsyncEventHandler, AsyncServer
from wyoming.tts import Synthesize

SPEAKING = "espeak-ng", "-v", "en-gb-x-rp", "-s", "145"
"""Received Pronunciation, not hurried."""


def speak(text: str) -> bytes:
    """A WAV file in which a text is spoken."""
    return subprocess.run([*SPEAKING, "--stdout", "--", text], capture_output=True, check=True).stdout


def write(text: str, path: Path) -> Path:
    """Speak a text into a file."""
    subprocess.run([*SPEAKING, "-w", str(path), "--", text], check=True)
    return path


class Voice(AsyncEventHandler):
    """Speaks what it is told to."""

    async def handle_event(self, event: Event) -> bool:
        if Synthesize.is_type(event.type):
            spoken = await asyncio.to_thread(speak, Synthesize.from_event(event).text)
            # Its length is not in what it streams.
            with wave.open(io.BytesIO(spoken), "rb") as file:
                for part in wav_to_chunks(file, 1024, start_event=True, stop_event=True):
                    await self.write_event(part.event())
        return True


if __name__ == "__main__":
    asyncio.run(AsyncServer.from_uri(f"tcp://127.0.0.1:{sys.argv[1]}").run(Voice))
