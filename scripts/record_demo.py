"""Runs the demo in a pseudo-terminal and draws what it prints, at its own speed, as an animated picture."""

import os
import pty
import re
import select
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep

import matplotlib as mpl
from PIL import Image, ImageDraw, ImageFont

PICTURE = Path(__file__).parents[1] / "docs/images/demo.gif"
QUESTIONS = (
    "How can I keep a room cool in summer without air conditioning?",
    "What is the capital of Japan?",
)
COMMAND = (sys.executable, "-m", "edge_llm.cli", "demo")  # what scripts/demo runs
COLUMNS, ROWS = 90, 25
SECONDS = 20.0
FRAME_S = 0.1
KEY_S = 0.04
"""Time between two typed characters."""
READ_S = 1.5
"""Pause after each reply, for the reader."""
_MARGIN, _LINE_HEIGHT, _FONT_SIZE = 12, 17, 14
_BACKGROUND, _TEXT, _FIGURES = (24, 26, 32), (216, 218, 224), (128, 200, 140)
_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")

Recording = list[tuple[float, str]]
"""What was printed, each piece with its second since the start."""


def record() -> Recording:
    """Run the demo, type QUESTIONS at its prompt, and keep what it prints for SECONDS."""
    child, terminal = pty.fork()
    if child == 0:
        os.execv(COMMAND[0], COMMAND)  # noqa: S606 - a constant
    started, printed, recording = monotonic(), "", [(0.0, "$ scripts/demo\n")]
    questions = iter(QUESTIONS)
    while (now := monotonic() - started) < SECONDS:
        if select.select([terminal], [], [], 0.02)[0]:
            text = _ESCAPE.sub("", os.read(terminal, 65536).decode(errors="replace")).replace("\r", "")
            recording.append((now, text))
            printed += text
        elif printed.endswith("\n> ") and (question := next(questions, None)):
            sleep(READ_S)
            recording += _type(terminal, question, monotonic() - started)
            printed = ""
    os.close(terminal)  # hangs up: the demo ends its processes
    os.waitpid(child, 0)
    return recording


def _type(terminal: int, question: str, at: float) -> Iterator[tuple[float, str]]:
    """Type a question; the terminal echoes each character."""
    started = monotonic()
    for key in question + "\n":
        sleep(KEY_S)
        os.write(terminal, key.encode())
        echo = os.read(terminal, 100).decode().replace("\r", "")
        yield at + monotonic() - started, echo


def draw(recording: Recording) -> list[Image.Image]:
    """The screen every FRAME_S."""
    font = ImageFont.truetype(Path(mpl.get_data_path()) / "fonts/ttf/DejaVuSansMono.ttf", _FONT_SIZE)
    width = 2 * _MARGIN + round(COLUMNS * font.getlength("x"))
    palette = _palette()
    frames = []
    for number in range(round(SECONDS / FRAME_S)):
        printed = "".join(text for second, text in recording if second <= number * FRAME_S)
        picture = Image.new("RGB", (width, 2 * _MARGIN + ROWS * _LINE_HEIGHT), _BACKGROUND)
        pen = ImageDraw.Draw(picture)
        for row, line in enumerate(_screen(printed)):
            color = _FIGURES if line.startswith(("[TTFT", "$", ">")) else _TEXT
            pen.text((_MARGIN, _MARGIN + row * _LINE_HEIGHT), line, color, font)
        frames.append(picture.quantize(palette=palette, dither=Image.Dither.NONE))
    return frames


def _palette() -> Image.Image:
    """The same few colors for all frames, so that one frame differs from the next in its new text alone."""
    colors = [
        round(there + (here - there) * step / 7)
        for ink in (_TEXT, _FIGURES)
        for step in range(8)
        for here, there in zip(ink, _BACKGROUND, strict=True)
    ]
    picture = Image.new("P", (1, 1))
    picture.putpalette(colors)
    return picture


def _screen(printed: str) -> list[str]:
    """The last ROWS lines, wrapped at words."""
    lines = [part for line in printed.split("\n") for part in textwrap.wrap(line, COLUMNS) or [""]]
    return lines[-ROWS:]


def main() -> None:
    """Record, draw and write PICTURE."""
    first, *others = draw(record())
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    first.save(
        PICTURE, save_all=True, append_images=others, duration=round(1000 * FRAME_S), loop=0, optimize=True
    )
    print(f"{PICTURE}: {PICTURE.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
