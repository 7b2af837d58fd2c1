"""`trunkline say`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trunkline.cli.options import ENGINES_PANEL, AsJson

if TYPE_CHECKING:
    from trunkline.providers.trial import Said


def say(
    text: Annotated[str, typer.Argument(help="The sentence.")],
    tts: Annotated[
        str,
        typer.Option(
            "--tts", metavar="NAME[,key=value…]", help="Whose voice.", rich_help_panel=ENGINES_PANEL
        ),
    ] = "embedded",
    voice: Annotated[str, typer.Option("--voice", metavar="ID", help="One of `trunkline voices`.")] = "",
    words_per_minute: Annotated[int, typer.Option("--pace", min=60, max=400, help="Words a minute.")] = 160,
    language: Annotated[str, typer.Option("--language", metavar="CODE")] = "en",
    rate: Annotated[
        int, typer.Option("--rate", metavar="HZ", help="8000 asks for what a telephone carries.")
    ] = 8000,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The WAV file to write.")] = Path(
        "said.wav"
    ),
    as_json: AsJson = False,
) -> None:
    """Speak one sentence into a WAV file as a caller would get it, and tell how long it took."""
    from trunkline.audio.resample import RATES
    from trunkline.cli.running import run
    from trunkline.errors import ConfigError
    from trunkline.providers.protocols import VoiceOptions

    if rate not in RATES:
        hint = f"Use one of {', '.join(map(str, RATES))}"
        raise ConfigError(f"{rate} Hz is no rate that a voice can be brought to", where="--rate", hint=hint)
    sound = run(_said(tts, text, VoiceOptions(voice, words_per_minute, language, rate)))
    _write(out, sound)
    if as_json:
        import json

        figures = {
            "file": str(out),
            "rate": sound.rate,
            "seconds": round(sound.seconds, 3),
            "open_ms": round(sound.opened * 1000),
            "first_audio_ms": round(sound.first * 1000),
            "whole_ms": round(sound.whole * 1000),
            "marks": [[round(at, 3), place] for at, place in sound.marks],
        }
        typer.echo(json.dumps(figures, indent=2))
    else:
        typer.echo(
            f"{out}: {sound.seconds:.2f} s at {sound.rate} Hz; "
            f"first sound after {sound.first * 1000:.0f} ms, all of it after {sound.whole * 1000:.0f} ms"
        )


async def _said(spec: str, text: str, options: object) -> Said:
    from trunkline.clock import SystemClock
    from trunkline.providers.protocols import VoiceOptions
    from trunkline.providers.registry import make_tts
    from trunkline.providers.trial import said

    assert isinstance(options, VoiceOptions)
    clock = SystemClock()
    engine = make_tts(spec, clock)
    try:
        await engine.start()
        return await said(engine, text, options, clock)
    finally:
        await engine.close()


def _write(out: Path, sound: Said) -> None:
    import wave

    from trunkline.errors import RecordError

    try:
        with out.open("wb") as raw, wave.open(raw, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(sound.rate)
            file.writeframes(sound.pcm)
    except OSError as error:
        raise RecordError(f"cannot be written: {error.strerror}", where=str(out)) from error
