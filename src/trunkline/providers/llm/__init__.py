"""Language models: a `Prompt` in, tokens and tool calls out, one file for each.

May import what every room may; the local brain alone imports `scenario`. Start reading at `fake.py`,
the smallest one; then `openai.py`, the client for hosted models.
"""
