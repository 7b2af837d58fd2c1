"""Trunkline makes and answers phone calls in which an AI agent talks with a person.

Start reading at `docs/one-call.md`, which follows one call through the code, or at
`trunkline.call.call`, which wires one call together. The rooms (sub-packages) and what each may
import are listed in `docs/architecture.md`; a test keeps the list true.

Importing this package imports nothing else: engines, sockets and models are loaded when used.
"""

__version__ = "0.1.0"
