"""MRCPv2 (RFC 6787): speech resources of other people's servers for us, and ours for their platforms.

May import `sip`, `rtp` and `audio`. Pure (bytes in, values out) but for `connection.py`, `client.py` with
`engine_server.py`, and `server.py`, which own sockets. Start reading at `message.py` (what is said), then
`client.py` (how a channel to a server is opened: SIP, then TCP for the words and RTP for the sound). The
engines over it are `providers/stt/mrcp.py` and `providers/tts/mrcp.py`; what our server offers is in
`call/mrcp_service.py`.
"""
