"""What open models think aloud, taken out of what they say.

Reasoning models (DeepSeek R1, Qwen 3 and their like) write what they think before the answer, between
`<think>` and `</think>`. Servers that know the model give them apart, in a field of their own, which is not
read here; others, and those started without their reasoning parser, leave them in the text
(https://docs.vllm.ai/en/latest/features/reasoning_outputs.html). Nobody is to hear that on the phone.
"""

from __future__ import annotations

import re

from trunkline.errors import EngineDown

_TAG = re.compile(r"<(/?)(?:think|thinking|thought)>", re.IGNORECASE)
_TAGS = [f"<{end}{name}>" for end in ("", "/") for name in ("think", "thinking", "thought")]


class WithoutThoughts:
    """One for each answer. `feed` each piece of text, `flush` at the end; both give what is to be said."""

    def __init__(self) -> None:
        self._thought = self._spoke = False
        self._inside = False
        self._begins = False
        """Thoughts have just ended: the empty lines after them are no part of the answer."""
        self._held = ""
        """What may be the beginning of a tag."""

    def feed(self, text: str) -> str:
        """The part of the text so far that is said; a few letters may be held back until the next piece."""
        text, said = self._held + text, ""
        while (tag := _TAG.search(text)) is not None:
            said += self._said(text[: tag.start()])
            text = text[tag.end() :]
            self._thought = True
            self._inside, self._begins = not tag[1], bool(tag[1])
        kept = _length_of_begun_tag(text)
        self._held = text[len(text) - kept :]
        return said + self._said(text[: len(text) - kept])

    def flush(self) -> str:
        """What was held back and is no tag after all."""
        held, self._held = self._held, ""
        return self._said(held)

    def ended(self, where: str) -> None:
        """The answer is over, and holds no tool call. Raises `EngineDown` where it was thoughts alone."""
        if self._thought and not self._spoke:
            raise EngineDown(
                "the model thought, and said nothing",
                where=where,
                hint="Turn its reasoning off at its server, or take a model that does not reason.",
            )

    def _said(self, text: str) -> str:
        if self._inside:
            return ""
        if self._begins:
            text = text.lstrip()
            self._begins = not text
        self._spoke = self._spoke or bool(text.strip())
        return text


def _length_of_begun_tag(text: str) -> int:
    """How many letters at the end of the text may yet become a tag."""
    at = text.rfind("<")
    rest = text[at:].lower()
    return len(rest) if at >= 0 and any(tag.startswith(rest) for tag in _TAGS) else 0
