#!/usr/bin/env python3
"""A microphone that hears a file: each time that it is opened the next one of /room/said, then silence.

It stands in for arecord, with its arguments: 16,000 samples a second, 16 bits, one channel.
"""

import sys
import wave
from pathlib import Path
from time import monotonic, sleep

SAID = Path("/room/said")
SAMPLES, RATE = 1024, 16000
BEFORE_S = 2
"""Seconds until somebody speaks: openWakeWord has to hear some silence first."""

audio = b""
begun, sent = monotonic(), 0
has_spoken = False
while True:
    if not has_spoken and (waiting := sorted(SAID.glob("*.wav"))):
        with wave.open(str(waiting[0]), "rb") as file:
            assert (file.getframerate(), file.getsampwidth(), file.getnchannels()) == (RATE, 2, 1)
            audio = bytes(BEFORE_S * 2 * RATE) + file.readframes(file.getnframes())
        waiting[0].unlink()
        has_spoken = True
    chunk, audio = audio[: 2 * SAMPLES], audio[2 * SAMPLES :]
    try:
        sys.stdout.buffer.write(chunk.ljust(2 * SAMPLES, b"\0"))
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        break
    sent += SAMPLES
    sleep(max(0.0, begun + sent / RATE - monotonic()))
