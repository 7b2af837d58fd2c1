"""SIP: how calls are set up, changed and ended (RFC 3261 and its corrections).

May import `events`, `clock` and `errors`, and nothing of the rooms above. Everything here is pure
(bytes and a time in, bytes and events out) but for `endpoint.py` with `datagrams.py`, `connections.py`,
`resolver.py` and `learning.py`, which alone own sockets and timers.

From the wire upwards: `parse.py` makes a `message.py` of bytes; `transaction.py` is the four
machines of §17 as tables; `dialog.py` remembers who talks to whom; `session.py` is one call;
`user_agent.py` puts them together: start reading there. Beside them, `sdp.py` and `offer.py`
describe the media and agree on it (RFC 4566, RFC 3264).
"""
