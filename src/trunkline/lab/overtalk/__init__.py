"""Sounds over the agent's sentence, two hundred at a time: what must not cost it the sentence, and what must.

A case is a call of its own: the agent says one sentence, and over it comes a sign of listening, a cough, a
noise, the sentence's own echo, or a real interruption over that echo. Whole calls with real sound (flite's
voices, mu-law both ways) on a leg in memory, in virtual time, so that two hundred take a minute or two and
are the same every time but for flite. There is no network: what is measured is the decision and how it is
carried out.

`cases.py` draws the cases from `figures.txt` or `tuning.txt`; `sounds.py` makes their sound; `far_end.py` is
the caller's telephone; `trial.py` runs them. Never tune by `figures.txt`.
"""
