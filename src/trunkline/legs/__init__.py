"""Legs: how a call reaches us. May import `sip`, `rtp`, `audio`.

All give the same `Leg` (`leg.py`, start there): caller frames in, agent frames out, clear, hang up,
transfer, keypad, events. The call code cannot tell which it has, but for what a leg says it can do.

SIP: `sip.py`. Carriers: `carriers.py` (which there are), then `websocket_leg.py` (the leg that all of
their streams share), `stream.py` (what a carrier's protocol has to say) and one carrier's two files.
Browsers: `browser_calls.py`. Asterisk: `ari_calls.py`, or `audiosocket_server.py`.
"""
