"""Sessions that hear and speak: one hosted model fills the middle of the loop, sound in and sound out.

A file an engine, behind `protocol.py`; `call/duplex.py` is what a call makes of them.
"""
