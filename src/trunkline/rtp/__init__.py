"""RTP: media packets to frames and back. May import `audio`.

Pure but for `pacer.py`, `port.py` and `sockets.py`, which own the timers and sockets; everything else
takes bytes and a time and gives back frames or bytes. Start reading at `session.py` (one call's state),
then `jitter.py` (how the caller's packets become frames, in order and at once). `stream.py` is what
signalling tells this room. What it can do, and how well: docs/media.md.
"""
