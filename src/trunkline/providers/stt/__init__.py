"""Speech to text: an engine a file, each behind `trunkline.providers.protocols.SpeechToText`.

May import `audio` and the vendors' packages (inside functions, so that an engine that is not installed
costs nothing). Start reading at `fake.py`, the smallest; `pocketsphinx.py` is the embedded engine,
whose decoders live in worker processes (`sphinx_worker.py`); `whisper.py` re-decodes a growing window.
"""
