"""Engines: speech-to-text, language models, text-to-speech, and what is all three, behind small protocols.

May import `audio`; the local brain alone may import `scenario`, and the engines over MRCP alone `mrcp`.
Vendor names appear only here and in `legs/`, `integrations/` and `config/`. Start reading at
`protocols.py`; an engine is one file in `stt/`,
`llm/`, `tts/` or `s2s/` and one line in `registry.py`.
"""
