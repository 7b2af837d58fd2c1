"""Configuration: what a person set, where, and what is in force because of it.

Four layers, each over the one before: defaults, the file `trunkline.toml`, environment variables
(`TRUNKLINE_SIP_BIND` for `bind` in `[sip]`), flags on the command line. May import the rooms whose
settings it reads (`legs`, `turn`, `call`, `integrations`); no room imports it: they are handed their
settings.

Start reading at `settings.py` (which tables there are), then `sources.py` (the layers), `load.py`
(joining and checking them) and `explain.py` (what `trunkline config` prints).
"""
