"""`trunkline voices`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from trunkline.cli.exit_status import ExitStatus
from trunkline.cli.options import AsJson

if TYPE_CHECKING:
    from trunkline.providers.tts.hosted import VoiceCard


def voices(
    spec: Annotated[
        str, typer.Argument(metavar="NAME[,key=value…]", help="The text-to-speech engine, with its options.")
    ],
    language: Annotated[
        str, typer.Option("--language", metavar="CODE", help="Only voices of this language: en, en-GB, de.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """List the voices that an engine has, cloned ones included. What stands first goes into voice=…

    Exit status 0 where there are some, 1 where there are none (of this language), 3 where it has no list.
    """
    from trunkline.cli.running import run

    cards = [card for card in run(_voices(spec)) if _speaks(card.language, language)]
    if as_json:
        import json

        typer.echo(json.dumps([asdict(card) for card in cards], indent=2))
        return
    if not cards:
        which = f"no voice of language {language!r}" if language else "no voice"
        typer.echo(f"{spec.partition(',')[0]} has {which}", err=True)
        raise typer.Exit(ExitStatus.OTHERWISE)
    for card in cards:
        rest = ", ".join(part for part in (card.name, card.language, card.about) if part)
        typer.echo(f"{card.id}  {rest}".rstrip())


def _speaks(languages: str, wanted: str) -> bool:
    """Whether one of these languages is the wanted one. An engine that tells none may speak any."""
    codes = [code.strip().lower() for code in languages.split(",") if code.strip()]
    wanted = wanted.lower()
    return not wanted or not codes or any(code == wanted or code.startswith(f"{wanted}-") for code in codes)


async def _voices(spec: str) -> list[VoiceCard]:
    from trunkline.clock import SystemClock
    from trunkline.errors import EngineRequest
    from trunkline.providers.registry import make_tts
    from trunkline.providers.tts.hosted import ListsVoices

    engine = make_tts(spec, SystemClock())
    if not isinstance(engine, ListsVoices):
        hint = getattr(engine, "voices_are", "Its documentation names them")
        raise EngineRequest("it cannot list its voices", where=engine.name, hint=hint)
    try:
        await engine.start()
        return await engine.voices()
    finally:
        await engine.close()
