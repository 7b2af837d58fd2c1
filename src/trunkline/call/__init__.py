"""One phone call = one task group. May import every room but `config`, `lab` and `cli`.

Start reading at `call.py`, which is wiring only; then `listen.py`, `think.py`, `speak.py` (owns
`cut()`), `heard.py`, `ledger.py`, `record.py`, `handoff.py`.
"""
