"""A pair of pocketsphinx decoders, one with a grammar and one with the free language model, that hear
the same utterance. Used in a worker process only: decoding holds the GIL.
"""

from __future__ import annotations

import math
import re
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from trunkline.errors import EngineMissing
from trunkline.providers.stt.grammar import Grammar
from trunkline.providers.stt.pronounce import pronounce
from trunkline.providers.stt.verdict import NOTHING, Reading, Segment, Verdict, grammar_holds, judge
from trunkline.providers.stt.wideband import Wideband

FRAME = 0.01
"""Seconds of one of the decoder's frames."""
_KEPT_GRAMMARS = 8
_SHIFT = 1024
"""A grammar's search keeps its scores divided by this, and hands them out as probabilities."""
_WORST_SCORE = -745.0
"""The logarithm of the smallest probability that a float can hold."""
_FILLER = re.compile(r"[<\[+]")
_VARIANT = re.compile(r"\(\d+\)$")


class Decoders:
    """Both decoders. One utterance at a time: `begin`, any number of `hear`, `end`.

    `free=False` leaves the language model out: half the memory, a third of the work. Raises
    `EngineMissing` where pocketsphinx or its model is not there.
    """

    def __init__(self, *, free: bool, log: Callable[[str], None]) -> None:
        try:
            from pocketsphinx import Config, Decoder
        except ImportError as error:
            raise EngineMissing(
                f"pocketsphinx cannot be loaded ({error})",
                where="stt embedded",
                hint="Install it: pip install pocketsphinx",
            ) from error
        try:
            # Without `bestpath`: the search of a lattice at an utterance's end takes seconds with a
            # grammar that has many ways, and changes nothing.
            self._grammar_decoder = Decoder(Config(lm=None, loglevel="FATAL", bestpath=False))
            # Without the second pass at an utterance's end: 29 ms instead of 154, for 11 % of words
            # wrong instead of 9.
            self._free_decoder = Decoder(Config(loglevel="FATAL", fwdflat=False)) if free else None
        except RuntimeError as error:
            raise EngineMissing(
                f"pocketsphinx did not find its model ({error})",
                where="stt embedded",
                hint="Install it again: pip install --force-reinstall pocketsphinx",
            ) from error
        self._first_means = [
            (each, each.get_cmn()) for each in (self._grammar_decoder, self._free_decoder) if each
        ]
        self._log = log
        self._grammar = Grammar(())
        self._compiled: OrderedDict[str, str] = OrderedDict()
        self._guessed: set[str] = set()
        self._wideband = Wideband(8000)
        self._grammar_runs = False
        self._free_runs = False

    def new_call(self, rate: int) -> None:
        """Forget the last caller's channel; frames will come at `rate` samples a second."""
        self.abandon()
        self._wideband = Wideband(rate)
        self._grammar = Grammar(())
        for decoder, mean in self._first_means:
            decoder.set_cmn(mean)

    def expect(self, grammar: Grammar) -> None:
        """Use this grammar from the next utterance on."""
        grammar = grammar.without(lambda word: not self._can_say(word))
        text = grammar.jsgf()
        if text and text not in self._compiled:
            name = f"expected-{len(self._compiled)}"
            if len(self._compiled) >= _KEPT_GRAMMARS:
                _, name = self._compiled.popitem(last=False)
            try:
                self._grammar_decoder.add_jsgf_string(name, text)
            except (ValueError, RuntimeError) as error:
                self._log(f"the grammar was refused ({error}); only the free decoder listens")
                self._grammar = Grammar(())
                return
            self._compiled[text] = name
        if text:
            self._compiled.move_to_end(text)
            self._grammar_decoder.activate_search(self._compiled[text])
        self._grammar = grammar

    def begin(self) -> None:
        """A new utterance."""
        self.abandon()
        if self._grammar.phrases:
            self._grammar_decoder.start_utt()
            self._grammar_runs = True
        if self._free_decoder is not None:
            self._free_decoder.start_utt()
            self._free_runs = True

    def hear(self, pcm: bytes) -> None:
        """The next piece of the utterance, at the call's rate."""
        wide = self._wideband.push(pcm)
        if not wide:
            return
        if self._grammar_runs:
            self._grammar_decoder.process_raw(wide)
        if self._free_runs and self._free_decoder is not None:
            self._free_decoder.process_raw(wide)

    def so_far(self) -> tuple[Reading, bool]:
        """What it may be so far, and whether that is the grammar's reading."""
        grammar, free = self._read_grammar(), self._read_free()
        # Half a sentence is nothing against it as long as the caller speaks.
        if grammar_holds(Reading(grammar.segments), free):
            return grammar, True
        return free, False

    def end(self, sure: Callable[[Verdict], None]) -> Verdict:
        """The utterance is over. A sure result of the grammar goes to `sure` at once; the free
        decoder's own end takes several times as long, and what it would add is then not waited for.
        Gives the final verdict."""
        if self._grammar_runs:
            self._grammar_runs = False
            self._grammar_decoder.end_utt()
            grammar, free = self._read_grammar(), self._read_free()
            if grammar_holds(grammar, free):
                verdict = judge(grammar, free)
                sure(verdict)
                self.abandon()
                return verdict
        else:
            grammar = NOTHING
        if self._free_runs and self._free_decoder is not None:
            self._free_runs = False
            self._free_decoder.end_utt()
        verdict = judge(grammar, self._read_free())
        sure(verdict)
        return verdict

    def abandon(self) -> None:
        """Whatever runs is not wanted any more."""
        if self._grammar_runs:
            self._grammar_runs = False
            self._grammar_decoder.end_utt()
        if self._free_runs and self._free_decoder is not None:
            self._free_runs = False
            self._free_decoder.end_utt()

    def _can_say(self, word: str) -> bool:
        """Whether the word has a sound, guessed where the dictionary has none."""
        if self._grammar_decoder.lookup_word(word) is not None:
            return True
        phones = pronounce(word)
        if word not in self._guessed and len(self._guessed) < 1000:
            self._guessed.add(word)
            self._log(
                f"{word!r} is not in the dictionary; " + (f"guessed: {phones}" if phones else "left out")
            )
        if not phones:
            return False
        try:
            self._grammar_decoder.add_word(word, phones, True)
        except RuntimeError as error:
            self._log(f"{word!r} could not be added ({error})")
            return False
        return True

    def _read_grammar(self) -> Reading:
        if not self._grammar.phrases:
            return NOTHING
        segments = _segments(self._grammar_decoder)
        said = [each.word for each in segments if not each.filler]
        return Reading(segments, complete=self._grammar.accepts(said))

    def _read_free(self) -> Reading:
        return Reading(_segments(self._free_decoder)) if self._free_decoder is not None else NOTHING


def _segments(decoder: Any) -> tuple[Segment, ...]:
    hypothesis = decoder.hyp()
    if hypothesis is None:
        return ()
    found = []
    for each in decoder.seg() or ():
        filler = _FILLER.match(each.word) is not None
        word = _VARIANT.sub("", each.word)
        if word == "(NULL)" or (filler and each.end_frame <= each.start_frame):
            continue  # a step of the grammar without sound
        score = _SHIFT * (math.log(each.ascore) if each.ascore > 0 else _WORST_SCORE)
        found.append(Segment(word, each.start_frame, each.end_frame, score, filler))
    return tuple(found)
