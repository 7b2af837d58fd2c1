"""Voices: text in, 16-bit mono PCM out, one file for each engine.

May import `audio` and what every room may. Start reading at `fake.py`, the smallest one; then
`flite.py` (in this process, in threads) and `espeak.py` (in a process of its own). `embedded.py`
takes whichever of those two this machine has.
"""
