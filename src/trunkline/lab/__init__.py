"""The laboratory: a scripted SIP/RTP caller, personas, lossy links, benchmarks, reports, replays.

May import everything; nothing imports it but the command line. Start reading at `demo.py`.
"""
