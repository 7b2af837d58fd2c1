"""Codecs: what sound looks like inside an RTP packet. Imports nothing of ours but `errors`.

Start reading at `codec.py` (what a codec is), then `registry.py` (which there are). A new codec is
one file here and one line in the registry. Coders may keep state, so they are made for each call.
"""
