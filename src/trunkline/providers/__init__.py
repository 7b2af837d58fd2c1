"""Engines: speech-to-text, language models, text-to-speech, behind three small protocols.

May import `audio`; the local brain alone may import `scenario`. Vendor names appear only here and in
`legs/` and `integrations/`. Start reading at `protocols.py`; an engine is one file in `stt/`,
`llm/` or `tts/` and one line in `registry.py`.
"""
