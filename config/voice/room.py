"""A room that listens, without Home Assistant: `pip install wyoming`, then `python room.py --area Kitchen`.

Microphone (arecord) -> Wyoming recogniser -> `edge-llm voice` -> Wyoming voice -> loudspeaker (aplay). With
--wake it waits for a wake word, else for Enter; --wav takes one command from a file instead, and --out writes
what is said to one. The recogniser must know when somebody has finished:
wyoming-faster-whisper --vad-endpointing 0.7.
"""

import argparse
import asyncio
import sys
import wave
from asyncio.subprocess import PIPE
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any

from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncClient
from wyoming.event import Event
from wyoming.handle import Handled, HandledChunk, HandledStop, NotHandled
from wyoming.tts import Synthesize
from wyoming.wake import Detect, Detection

MICROPHONE = "arecord", "-q", "-t", "raw", "-f", "S16_LE", "-r", "16000", "-c", "1"
LOUDSPEAKER = "aplay", "-q", "-t", "raw", "-f", "S16_LE"
LONGEST_S = 15.0
"""Seconds after which a command has ended, whatever is heard."""
Audio = AsyncGenerator[AudioChunk]


async def hear(uri: str, audio: Audio, language: str | None = None) -> str:
    """What a recogniser makes of audio: up to its end, or until it finds that somebody has finished."""
    async with AsyncClient.from_uri(uri) as recogniser:
        await recogniser.write_event(Transcribe(language=language).event())
        return Transcript.from_event(await _until(Transcript, recogniser, audio, uri)).text.strip()


async def wake(uri: str, audio: Audio, word: str | None = None) -> None:
    """Wait until a wake word is heard: this one, or the program's own."""
    async with AsyncClient.from_uri(uri) as listener:
        await listener.write_event(Detect([word] if word else None).event())
        await _until(Detection, listener, audio, uri)


async def ask(uri: str, text: str, context: dict[str, Any]) -> AsyncGenerator[str]:
    """Tell the house what was heard, and yield what to say, piece by piece; keeps ``context`` up to date."""
    async with AsyncClient.from_uri(uri) as house:
        await house.write_event(Transcript(text, context).event())
        said = False
        while event := await house.read_event():
            if HandledChunk.is_type(event.type):
                said = True
                yield HandledChunk.from_event(event).text
            elif Handled.is_type(event.type) or NotHandled.is_type(event.type):
                context |= event.data.get("context") or {}
                if not said:
                    yield event.data.get("text") or ""
                    return
            elif HandledStop.is_type(event.type):
                return
    raise ConnectionError(f"{uri} has gone")


async def speak(uri: str, text: str) -> Audio:
    """Yield the audio of a text."""
    async with AsyncClient.from_uri(uri) as voice:
        await voice.write_event(Synthesize(text).event())
        while event := await voice.read_event():
            if AudioChunk.is_type(event.type):
                yield AudioChunk.from_event(event)
            elif AudioStop.is_type(event.type):
                return
    raise ConnectionError(f"{uri} has gone")


async def from_file(path: Path) -> Audio:
    """The audio of a WAV file."""
    with wave.open(str(path), "rb") as file:
        while frames := file.readframes(1024):
            yield AudioChunk(file.getframerate(), file.getsampwidth(), file.getnchannels(), frames)


async def from_microphone(longest_s: float | None) -> Audio:
    """What the microphone hears, for ``longest_s`` at most."""
    process = await asyncio.create_subprocess_exec(*MICROPHONE, stdout=PIPE)
    assert process.stdout
    until = None if longest_s is None else asyncio.get_running_loop().time() + longest_s
    try:
        while until is None or asyncio.get_running_loop().time() < until:
            yield AudioChunk(16000, 2, 1, await process.stdout.readexactly(2048))
    except asyncio.IncompleteReadError:
        raise OSError("the microphone gives nothing more: see what arecord says") from None
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.communicate()  # what it has heard since goes nowhere


async def to_file(path: Path, audio: Audio) -> None:
    """Write audio to a WAV file."""
    with wave.open(str(path), "wb") as file:
        async for chunk in audio:
            if not file.getnframes():
                file.setparams((chunk.channels, chunk.width, chunk.rate, 0, "NONE", "not compressed"))
            file.writeframes(chunk.audio)


async def to_loudspeaker(audio: Audio) -> None:
    """Play audio."""
    process = None
    async for chunk in audio:
        if process is None:
            form = "-r", str(chunk.rate), "-c", str(chunk.channels)
            process = await asyncio.create_subprocess_exec(*LOUDSPEAKER, *form, stdin=PIPE)
        assert process.stdin
        process.stdin.write(chunk.audio)
        await process.stdin.drain()
    if process and process.stdin:
        process.stdin.close()
        await process.wait()


async def answer(options: argparse.Namespace, audio: Audio, context: dict[str, Any]) -> str:
    """Hear a command, have it done, and say what there is to say; returns that."""
    heard = await hear(options.hear, audio, options.language)
    print(f"> {heard}", flush=True)
    said: list[str] = []

    async def spoken() -> Audio:
        async for piece in ask(options.ask, heard, context):
            said.append(piece)
            async for chunk in speak(options.speak, piece):
                yield chunk

    await (to_file(options.out, spoken()) if options.out else to_loudspeaker(spoken()))
    print("".join(said), flush=True)
    return "".join(said)


async def listen(options: argparse.Namespace) -> None:
    """Answer one command after the other; what is asked back is answered without a wake word."""
    while True:
        context = {"area": options.area} if options.area else {}
        if options.wake:
            await wake(options.wake, from_microphone(None), options.wake_word)
        else:
            await asyncio.to_thread(input, "Enter, then speak: ")
        while (await answer(options, from_microphone(LONGEST_S), context)).endswith("?"):
            pass


async def _until(kind: Any, client: AsyncClient, audio: Audio, uri: str) -> Event:
    """Send audio until an event of a kind comes."""
    sending = asyncio.create_task(_send(client, audio))
    waiting = asyncio.create_task(_next(kind, client, uri))
    try:
        await asyncio.wait((sending, waiting), return_when=asyncio.FIRST_COMPLETED)
        if not waiting.done():
            await sending  # a microphone that does not work is an error of it
        return await waiting
    finally:
        sending.cancel()
        waiting.cancel()
        await asyncio.gather(sending, waiting, return_exceptions=True)


async def _next(kind: Any, client: AsyncClient, uri: str) -> Event:
    while event := await client.read_event():
        if kind.is_type(event.type):
            return event
    raise ConnectionError(f"{uri} has gone")


async def _send(client: AsyncClient, audio: Audio) -> None:
    begun = False
    async with aclosing(audio):
        async for chunk in audio:
            if not begun:
                await client.write_event(AudioStart(chunk.rate, chunk.width, chunk.channels).event())
            begun = True
            await client.write_event(chunk.event())
    await client.write_event(AudioStop().event())


def parser() -> argparse.ArgumentParser:
    """Its options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hear", metavar="URI", default="tcp://127.0.0.1:10300", help="default: %(default)s")
    parser.add_argument("--ask", metavar="URI", default="tcp://127.0.0.1:10500", help="default: %(default)s")
    parser.add_argument(
        "--speak", metavar="URI", default="tcp://127.0.0.1:10200", help="default: %(default)s"
    )
    parser.add_argument(
        "--wake", metavar="URI", help="wyoming-openwakeword, for example tcp://127.0.0.1:10400"
    )
    parser.add_argument("--wake-word", metavar="NAME", help="one that it knows: okay_nabu, hey_jarvis")
    parser.add_argument("--area", help="where this is: id or name of an area of the house")
    parser.add_argument("--language", help="what is spoken, if the recogniser is to be told: en")
    parser.add_argument("--wav", type=Path, metavar="FILE", help="one command from here")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write what is said to here")
    return parser


def main() -> None:
    """Run it until Ctrl-C, or for one command from a file."""
    options = parser().parse_args()
    context = {"area": options.area} if options.area else {}
    try:
        asyncio.run(answer(options, from_file(options.wav), context) if options.wav else listen(options))
    except OSError as error:
        sys.exit(f"room.py: {error}")


if __name__ == "__main__":
    with suppress(KeyboardInterrupt, EOFError):  # Ctrl-C, Ctrl-D
        main()
