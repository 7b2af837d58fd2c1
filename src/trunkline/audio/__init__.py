"""Audio: the frame, codecs, resampling, mixing, levels. Imports nothing of ours but `errors`.

Everywhere in Trunkline sound is 16-bit signed little-endian mono PCM in 20 ms frames, at the rate
the leg gives (8 kHz for G.711). Start reading at `frame.py`; a codec is a file in `codecs/` and a
line in its registry.
"""
