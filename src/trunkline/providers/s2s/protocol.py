"""What an engine gives that hears and speaks by itself: a session for each call.

Our loop stays in charge. Our turn-taking says when the caller has finished, our scenario says what the
model is told and which tools it may call, and each sentence passes the guardrail before its sound is
heard. So a session does on demand what three engines do otherwise, and nothing by itself:

* it *listens* as a `Recognition` does: the caller's frames in, their words out, for the scenario, the
  floor and the record. The vendor's own detection of turns is off;
* it *answers* a `Prompt` when it is asked to (`respond`): deltas as a language model gives them, where the
  text is the transcript of what it says, and beside them the sound, into an `Ear`;
* it *reads* a line word for word (`read`): greetings, notices, and what replaces a blocked sentence.

`call/duplex.py` cuts the sentences, finds the sound that belongs to each, compares what was read with
what should have been, and goes on with the configured recogniser, model and voice where a session
fails. An engine does none of this; it speaks its vendor's protocol, and keeps these rules, which
`tests/providers/s2s_conformance.py` checks for every engine:

* Every failure is an `EngineError`. A socket that ends raises it from the iteration and from every answer
  in progress, and `closed` is true from then on: the call then opens another session, or does without.
* An answer that the service refuses or breaks off is that answer's failure alone; the session lives on.
* Closing `respond` or `read` early (`aclose`, cancellation) tells the vendor to stop, within 50 ms, without
  waiting for its consent; what still comes of that answer goes nowhere.
* `Ear.end` is called once for each answer that was begun and not closed early: after its last sound, or
  when it fails, before the generator ends or raises.
* Several answers may be in progress at once: a tool's result is answered while the answer that called the
  tool still sounds, and an answer may be prepared that is thrown away. An answer leaves nothing in the
  vendor's memory that a later one builds on: each prompt says all that the model is to know, with what the
  caller really heard of earlier answers.
* The model hears the caller's last turn as sound where the service can be pointed to it; where it cannot,
  the prompt's last message stands for it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import Protocol, runtime_checkable

from trunkline.prompt import Delta, Prompt, Usage
from trunkline.providers.protocols import ListenOptions, Recognition, VoiceOptions

Late = Callable[[Usage], None]
"""Told what an answer cost that was closed before its generator could say."""


class Ear(Protocol):
    """Takes an answer's sound, as it comes from the vendor. Neither method waits, or raises."""

    def sound(self, pcm: bytes) -> None:
        """The next piece, 16-bit samples at the session's `rate`: of any length, never half a sample."""

    def end(self) -> None:
        """No more sound of this answer will come."""


class Session(Recognition, Protocol):
    """One call's session. As a `Recognition` it gives the caller's words; closing it closes everything."""

    rate: int
    """Samples a second of the sound it gives. On a telephone leg: 8000 where the service has it."""

    @property
    def closed(self) -> bool:
        """It was closed, or has failed: nothing can be asked of it any more."""

    def respond(self, prompt: Prompt, ear: Ear) -> AsyncGenerator[Delta, None]:
        """Answer: `Token`s of the transcript, `ToolCall`s, then one `Usage`; its sound goes to `ear`. The
        usage says how much of it was sound, which is priced otherwise than text.

        When the text of one spoken item is complete, `Token("\\n")` says so, so that its last sentence need
        not wait for the sound's end. While sound alone comes, `Token("")` at least once a second tells
        that the answer goes on (never as the first delta). `prompt.tools` are those that may be called;
        `prompt.max_tokens` counts words of text: an engine whose limit counts sound too multiplies it."""

    def read(self, text: str, ear: Ear) -> AsyncGenerator[Delta, None]:
        """Say exactly these words, with nothing before or after. `Token`s of what is really being said, for
        whoever compares, `Token("\\n")` at their end, then one `Usage`. No tools."""


@runtime_checkable
class SpeechToSpeech(Protocol):
    """An engine whose sessions hear and speak. The rules of `providers/protocols.py` are its own too.

    An engine is a line in `registry.SPEECH_TO_SPEECH`; other packages' come by `trunkline.s2s`."""

    name: str
    """What the ledger and the prices know its model by, in the table of language models."""
    transcriber: str
    """What the prices know its transcription of the caller by, in the table of recognisers, where the
    vendor bills that apart; empty where the tokens are all."""
    cannot: tuple[str, ...]
    """What it cannot keep of what the three engines can, a plain sentence each: logged at start."""

    async def start(self) -> None: ...

    async def open(self, listen: ListenOptions, voice: VoiceOptions, late: Late) -> Session:
        """A session for one call, ready. `listen.rate` is the leg's; `voice.voice` the engine's own name of a
        voice. `late` may be called until the session is closed."""

    async def close(self) -> None: ...
