"""Which engines there are, and how `--stt/--llm/--tts/--s2s NAME[,key=value…]` becomes one.

An engine is a file and a line here; other people's come through the entry points `trunkline.stt`,
`trunkline.llm`, `trunkline.tts` and `trunkline.s2s`. Nothing of an engine is imported before somebody
asks for it. An engine's options are its constructor's keyword parameters: their names, types and defaults are
read from there, so that they stand in one place.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.metadata import entry_points
from typing import Any, cast

from trunkline.clock import Clock
from trunkline.errors import ConfigError, EngineMissing
from trunkline.providers.protocols import LanguageModel, SpeechToText, TextToSpeech
from trunkline.providers.s2s.protocol import SpeechToSpeech
from trunkline.providers.spec import EngineSpec, convert, parse_spec

__all__ = [
    "LANGUAGE_MODELS",
    "SPEECH_TO_SPEECH",
    "SPEECH_TO_TEXT",
    "TEXT_TO_SPEECH",
    "EngineEntry",
    "EngineOption",
    "EngineSpec",
    "engines",
    "make_llm",
    "make_s2s",
    "make_stt",
    "make_tts",
    "options_of",
    "parse_spec",
]


@dataclass(frozen=True, slots=True)
class EngineEntry:
    """One engine. `target` is "module:Class"; `extra` the extra of ours that brings its packages,
    empty where it needs none; `needs` the modules that it brings; `package` the distribution it came from,
    where it is not ours."""

    target: str
    extra: str = ""
    about: str = ""
    package: str = ""
    needs: tuple[str, ...] = ()
    plugins: bool = False
    """It stands for many: `NAME:PLUGIN`, whose options are the plugin's."""

    @property
    def lacks(self) -> list[str]:
        """The modules it needs that are not installed here. Imports none of them."""
        return [name for name in self.needs if not _is_there(name)]


def _is_there(module: str) -> bool:
    """Whether a module is installed. Of a dotted name only the packages around it are imported."""
    try:
        return importlib.util.find_spec(module) is not None
    except ImportError:  # a package around it is not there
        return False


@dataclass(frozen=True, slots=True)
class EngineOption:
    """One option of an engine, as its constructor declares it."""

    name: str
    kind: type
    default: object


_HERE = "trunkline.providers"

_MRCP = "a server of MRCPv2 that you run, as sip:HOST:PORT"

SPEECH_TO_TEXT: dict[str, EngineEntry] = {
    "mrcp": EngineEntry(f"{_HERE}.stt.mrcp:Mrcp", about=_MRCP),
    "embedded": EngineEntry(
        f"{_HERE}.stt.pocketsphinx:PocketSphinx",
        about="pocketsphinx with a grammar for each question; for demonstrations and tests",
    ),
    "whisper": EngineEntry(
        f"{_HERE}.stt.whisper:Whisper",
        "whisper",
        "faster-whisper with a model that you name, on this machine",
        needs=("faster_whisper",),
    ),
    "deepgram": EngineEntry(
        f"{_HERE}.stt.deepgram:Deepgram",
        "deepgram",
        "Deepgram Nova-2, Nova-3 and Flux",
        needs=("httpx", "websockets"),
    ),
    "assemblyai": EngineEntry(
        f"{_HERE}.stt.assemblyai:AssemblyAI",
        "assemblyai",
        "AssemblyAI Universal, streamed",
        needs=("httpx", "websockets"),
    ),
    "openai": EngineEntry(
        f"{_HERE}.stt.openai_realtime:OpenAIRealtime",
        "openai",
        "OpenAI's realtime transcription",
        needs=("httpx", "websockets"),
    ),
    "openai-file": EngineEntry(
        f"{_HERE}.stt.openai_file:OpenAIFile",
        "openai",
        "OpenAI's file transcription, or any server of its protocol, an utterance at a time",
        needs=("httpx",),
    ),
    "azure": EngineEntry(
        f"{_HERE}.stt.azure:AzureRecogniser",
        "azure",
        "Azure's recogniser, custom models",
        needs=("httpx", "websockets"),
    ),
    "google": EngineEntry(
        f"{_HERE}.stt.google:GoogleSpeech",
        "google",
        "Google Cloud Speech v2",
        needs=("google.cloud.speech_v2",),
    ),
    "gemini": EngineEntry(
        f"{_HERE}.stt.gemini:GeminiTranscribe",
        "gemini",
        "Gemini's live transcription",
        needs=("httpx", "websockets"),
    ),
    "vosk": EngineEntry(
        f"{_HERE}.stt.vosk:Vosk", "vosk", "Vosk with a model folder, on this machine", needs=("vosk",)
    ),
    "sherpa": EngineEntry(
        f"{_HERE}.stt.sherpa:Sherpa",
        "sherpa",
        "sherpa-onnx with a streaming transducer's folder, on this machine",
        needs=("sherpa_onnx",),
    ),
    "livekit": EngineEntry(
        f"{_HERE}.stt.livekit:LiveKitSpeechToText",
        "livekit",
        "livekit:NAME, whatever the package livekit-plugins-NAME speaks to",
        needs=("livekit.agents",),
        plugins=True,
    ),
    "fake": EngineEntry(
        f"{_HERE}.stt.fake:FakeSpeechToText", about="set words at set delays, for benchmarks and tests"
    ),
}

LANGUAGE_MODELS: dict[str, EngineEntry] = {
    "brain": EngineEntry(
        f"{_HERE}.llm.local_brain:LocalBrain", about="intents and typed parsers on this machine; no model"
    ),
    "openai": EngineEntry(
        f"{_HERE}.llm.openai:OpenAILanguageModel",
        "openai",
        "OpenAI, or any server that speaks its protocol",
        needs=("openai",),
    ),
    "azure": EngineEntry(
        f"{_HERE}.llm.azure_openai:AzureOpenAILanguageModel",
        "openai",
        "OpenAI's models in a resource of Azure",
        needs=("openai",),
    ),
    "anthropic": EngineEntry(
        f"{_HERE}.llm.anthropic:AnthropicLanguageModel",
        "anthropic",
        "Anthropic's Claude",
        needs=("anthropic",),
    ),
    "gemini": EngineEntry(
        f"{_HERE}.llm.gemini:GeminiLanguageModel", "gemini", "Google's Gemini", needs=("httpx",)
    ),
    "livekit": EngineEntry(
        f"{_HERE}.llm.livekit:LiveKitLanguageModel",
        "livekit",
        "livekit:NAME, whatever the package livekit-plugins-NAME speaks to",
        needs=("livekit.agents",),
        plugins=True,
    ),
    "fake": EngineEntry(
        f"{_HERE}.llm.fake:FakeLanguageModel", about="set words at a set speed, for benchmarks and tests"
    ),
}

TEXT_TO_SPEECH: dict[str, EngineEntry] = {
    "mrcp": EngineEntry(f"{_HERE}.tts.mrcp:MrcpVoices", about=_MRCP),
    "embedded": EngineEntry(
        f"{_HERE}.tts.embedded:Embedded", about="flite where this machine has it, else espeak-ng"
    ),
    "flite": EngineEntry(f"{_HERE}.tts.flite:Flite", about="flite, from the system's libflite"),
    "espeak": EngineEntry(
        f"{_HERE}.tts.espeak:Espeak", about="espeak-ng from its package, in a process of its own"
    ),
    "piper": EngineEntry(
        f"{_HERE}.tts.piper:Piper",
        "piper",
        "Piper with a voice file, in processes of its own",
        needs=("piper",),
    ),
    "elevenlabs": EngineEntry(
        f"{_HERE}.tts.elevenlabs:ElevenLabs",
        "elevenlabs",
        "ElevenLabs Flash and Turbo, cloned voices by id",
        needs=("httpx", "websockets"),
    ),
    "cartesia": EngineEntry(
        f"{_HERE}.tts.cartesia:Cartesia", "cartesia", "Cartesia Sonic", needs=("httpx", "websockets")
    ),
    "deepgram": EngineEntry(
        f"{_HERE}.tts.deepgram:Deepgram", "deepgram", "Deepgram Aura", needs=("httpx", "websockets")
    ),
    "openai": EngineEntry(
        f"{_HERE}.tts.openai:OpenAIVoices",
        "openai",
        "OpenAI's voices, or any server that speaks its protocol",
        needs=("httpx",),
    ),
    "azure": EngineEntry(
        f"{_HERE}.tts.azure:AzureVoices",
        "azure",
        "Azure's neural voices, styles, custom neural voices",
        needs=("httpx",),
    ),
    "google": EngineEntry(
        f"{_HERE}.tts.google:GoogleVoices", "google", "Google Cloud's Neural2 and Chirp", needs=("httpx",)
    ),
    "playht": EngineEntry(f"{_HERE}.tts.playht:PlayHT", about="PlayHT; the service ended in December 2025"),
    "livekit": EngineEntry(
        f"{_HERE}.tts.livekit:LiveKitTextToSpeech",
        "livekit",
        "livekit:NAME, whatever the package livekit-plugins-NAME speaks to",
        needs=("livekit.agents",),
        plugins=True,
    ),
    "fake": EngineEntry(
        f"{_HERE}.tts.fake:FakeTextToSpeech", about="a tone at a set speed, for benchmarks and tests"
    ),
}

SPEECH_TO_SPEECH: dict[str, EngineEntry] = {
    "openai": EngineEntry(
        f"{_HERE}.s2s.openai:OpenAISession",
        "openai",
        "OpenAI Realtime: one model hears and speaks",
        needs=("httpx", "websockets"),
    ),
    "gemini": EngineEntry(
        f"{_HERE}.s2s.gemini_live:GeminiLive", "gemini", "Gemini Live", needs=("httpx", "websockets")
    ),
    "fake": EngineEntry(
        f"{_HERE}.s2s.fake:FakeSpeechToSpeech", about="set answers as a tone, for benchmarks and tests"
    ),
}


def engines(kind: str) -> dict[str, EngineEntry]:
    """Every engine of a kind ("stt", "llm", "tts" or "s2s"), ours before those of other packages. A name of
    ours cannot be taken over by another package."""
    found = dict(_ours(kind))
    for point in entry_points(group=f"trunkline.{kind}"):
        package = point.dist.name if point.dist is not None else ""
        about = f"from the package {package}" if package else "from another package"
        found.setdefault(point.name, EngineEntry(point.value, about=about, package=package))
    return found


def make_stt(spec: str | EngineSpec, clock: Clock) -> SpeechToText:
    """The speech-to-text engine that `spec` names, not started. `ConfigError` or `EngineMissing`."""
    return cast("SpeechToText", _make("stt", spec, clock))


def make_llm(spec: str | EngineSpec, clock: Clock, flag: str = "--llm") -> LanguageModel:
    """The language model that `spec` names, not started; `flag`: where a person named it. `ConfigError` or
    `EngineMissing`."""
    return cast("LanguageModel", _make("llm", spec, clock, flag))


def make_tts(spec: str | EngineSpec, clock: Clock) -> TextToSpeech:
    """The text-to-speech engine that `spec` names, not started. `ConfigError` or `EngineMissing`."""
    return cast("TextToSpeech", _make("tts", spec, clock))


def make_s2s(spec: str | EngineSpec, clock: Clock) -> SpeechToSpeech:
    """The engine that hears and speaks which `spec` names, not started. `ConfigError` or `EngineMissing`."""
    return cast("SpeechToSpeech", _make("s2s", spec, clock))


def options_of(kind: str, name: str) -> tuple[EngineOption, ...]:
    """What can be set on an engine, from its constructor. Loads the engine's module."""
    return tuple(_options(_load(kind, name, _entry(kind, name))).values())


def _ours(kind: str) -> Mapping[str, EngineEntry]:
    tables = {
        "stt": SPEECH_TO_TEXT,
        "llm": LANGUAGE_MODELS,
        "tts": TEXT_TO_SPEECH,
        "s2s": SPEECH_TO_SPEECH,
    }
    if kind not in tables:
        raise ConfigError(f"there is no kind of engine called {kind!r}", hint="Use stt, llm, tts or s2s")
    return tables[kind]


def _entry(kind: str, name: str, flag: str = "") -> EngineEntry:
    known = engines(kind)
    if name not in known:
        raise ConfigError(
            f"there is no {kind} engine called {name!r}",
            where=flag or f"--{kind}",
            hint=f"{_nearest(name, known)}Known here: {', '.join(sorted(known))}",
        )
    return known[name]


def _load(kind: str, name: str, entry: EngineEntry) -> Callable[..., object]:
    module_name, _, attribute = entry.target.partition(":")
    try:
        return cast("Callable[..., object]", getattr(importlib.import_module(module_name), attribute))
    except ImportError as error:
        hint = f"Install it: pip install 'trunkline[{entry.extra}]'" if entry.extra else ""
        raise EngineMissing(
            f"the engine cannot be loaded ({error})", where=f"{kind} {name}", hint=hint
        ) from error
    except AttributeError as error:
        hint = f"The entry point of the package {entry.package} is wrong" if entry.package else ""
        raise EngineMissing(f"{entry.target} is not there", where=f"{kind} {name}", hint=hint) from error


def _options(build: Callable[..., object]) -> dict[str, EngineOption]:
    try:
        hints = typing.get_type_hints(getattr(build, "__init__", build))
    except (NameError, TypeError):
        # An engine of another package whose annotations cannot be resolved: all options are texts.
        hints = {}
    found = {}
    for parameter in inspect.signature(build).parameters.values():
        kind = hints.get(parameter.name, str)
        if parameter.name == "clock" or parameter.kind is not parameter.KEYWORD_ONLY:
            continue
        if kind in (str, int, float, bool):  # others (a script, a transport) are set from Python alone
            found[parameter.name] = EngineOption(parameter.name, kind, parameter.default)
    return found


def _make(kind: str, spec: str | EngineSpec, clock: Clock, flag: str = "") -> object:
    flag = flag or f"--{kind}"
    if isinstance(spec, str):
        spec = parse_spec(spec)
    name, _, plugin = spec.name.partition(":")
    entry = _entry(kind, name, flag)
    build = _load(kind, name, entry)
    if entry.plugins or plugin:
        if not entry.plugins or not plugin:
            hint = f"Write {name}:NAME" if entry.plugins else f"Write {name}"
            raise ConfigError(f"{spec.name!r} names no engine", where=flag, hint=hint)
        return build(clock=clock, plugin=plugin, options=spec.options)
    known = _options(build)
    values: dict[str, Any] = {}
    for key, text in spec.options.items():
        where = f"{flag} {spec.name}"
        if key not in known:
            takes = f"It takes: {', '.join(known)}" if known else "It takes no options"
            raise ConfigError(f"it has no option {key!r}", where=where, hint=f"{_nearest(key, known)}{takes}")
        values[key] = convert(text, known[key].kind, f"{where},{key}")
    return build(clock=clock, **values)


NEAR = 0.7
"""How alike a name must be to be what was meant: at 0.6, `nope` is `openai`."""


def _nearest(name: str, known: Mapping[str, object]) -> str:
    near = get_close_matches(name, known, n=1, cutoff=NEAR)
    return f"Did you mean {near[0]}? " if near else ""
