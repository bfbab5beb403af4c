"""Speech programs as they are: espeak-ng speaks, faster-whisper hears, both by Wyoming."""
