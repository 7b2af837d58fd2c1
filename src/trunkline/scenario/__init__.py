"""Scenarios: the model and its linter, the pure step function, prompts, typed fields, understanding,
guardrails. Pure; imports nothing of ours but the shared vocabulary.

Start reading at `step.py`: `(state, event) -> (state, actions)`. Then `plan.py` (what a caller's turn
asks for), `tools.py` (what a model may do), `walk.py` (the graph); `model.py` is the file format and
`load.py` its door; `conversation.py` plays a whole call in text.
"""
