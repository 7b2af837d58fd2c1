"""`trunkline engines compare`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trunkline.cli.exit_status import ExitStatus
from trunkline.cli.options import AsJson

if TYPE_CHECKING:
    from trunkline.providers.comparison import Column


def compare(
    stt: Annotated[
        list[str],
        typer.Option(
            "--stt",
            metavar="NAME[,key=value…][,NAME…]",
            help="The recognisers; also repeated.",
        ),
    ],
    audio: Annotated[
        Path, typer.Option("--audio", metavar="FOLDER", help="NAME.wav, and NAME.txt with what was said.")
    ],
    language: Annotated[str, typer.Option("--language", metavar="CODE")] = "en",
    rate: Annotated[int, typer.Option("--rate", help="8000 is what a telephone carries.")] = 8000,
    as_json: AsJson = False,
) -> None:
    """Run recognisers over your own recordings, and print their word errors and latencies side by side.

    Each recording is heard at its own pace, as over a telephone, so this takes as long as they last, once for
    each engine. Hosted engines are paid for it.
    """
    from trunkline.audio.resample import RATES
    from trunkline.cli.running import run
    from trunkline.errors import ConfigError

    if rate not in RATES:
        raise ConfigError(f"there is no rate {rate}", where="--rate", hint=f"Rates are {RATES}")
    columns = run(_compared([spec for text in stt for spec in specs_in(text)], audio, language, rate))
    if as_json:
        import json

        typer.echo(json.dumps([_row(column) for column in columns], indent=2))
    else:
        _show(columns)
    if any(column.failures for column in columns):
        raise typer.Exit(ExitStatus.ENGINE)


def specs_in(text: str) -> list[str]:
    """The engines in a list: a part without `=` begins the next one, outside of quotes."""
    parts, quote, start = [], "", 0
    place = 0
    while place < len(text):
        letter = text[place]
        if letter == "\\":
            place += 1
        elif quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter == ",":
            parts.append(text[start:place])
            start = place + 1
        place += 1
    parts.append(text[start:])
    specs: list[str] = []
    for part in parts:
        if "=" in part and specs:
            specs[-1] += f",{part}"
        else:
            specs.append(part.strip())
    return specs


async def _compared(specs: list[str], audio: Path, language: str, rate: int) -> list[Column]:
    from trunkline.clock import SystemClock
    from trunkline.providers.comparison import column_of
    from trunkline.providers.recordings_to_hear import recordings_in
    from trunkline.providers.registry import make_stt

    clock = SystemClock()
    recordings = recordings_in(audio, rate)
    engines = [(spec, make_stt(spec, clock)) for spec in specs]
    columns = []
    for spec, engine in engines:
        try:
            await engine.start()
            columns.append(await column_of(engine, spec, recordings, clock, language))
        finally:
            await engine.close()
    return columns


def _row(column: Column) -> dict[str, Any]:
    errors, finals, firsts = column.errors, column.finals(), column.firsts()
    return {
        "engine": column.engine,
        "recordings": len(column.heard),
        "failed": column.failures,
        "words": errors.said,
        "wer": _rounded(errors.rate),
        "substituted": errors.substituted,
        "deleted": errors.deleted,
        "inserted": errors.inserted,
        "first_words_p50_ms": _ms(firsts, 0),
        "final_p50_ms": _ms(finals, 0),
        "final_p95_ms": _ms(finals, 1),
        "heard": [
            {
                "recording": each.name,
                "said": each.reference,
                "heard": each.text,
                "wer": _rounded(each.errors.rate) if not each.failed else None,
                "final_ms": round(each.final * 1000),
                **({"failed": each.failed} if each.failed else {}),
            }
            for each in column.heard
        ],
    }


def _show(columns: list[Column]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("engine", overflow="fold")
    for head in ("words", "WER", "sub", "del", "ins", "first words", "final p50", "p95", "failed"):
        table.add_column(head, no_wrap=True, justify="right")
    for row in map(_row, columns):
        table.add_row(
            row["engine"],
            str(row["words"]),
            "–" if row["wer"] is None else f"{row['wer'] * 100:.1f} %",
            *(str(row[name]) for name in ("substituted", "deleted", "inserted")),
            *(
                "–" if row[name] is None else f"{row[name]} ms"
                for name in ("first_words_p50_ms", "final_p50_ms", "final_p95_ms")
            ),
            str(row["failed"]),
        )
    console = Console(highlight=False)
    console.print(table)
    for column in columns:
        for each in column.heard:
            if each.failed:
                console.print(f"{column.engine}, {each.name}: {each.failed}", markup=False)


def _rounded(rate: float | None) -> float | None:
    return None if rate is None else round(rate, 4)


def _ms(times: tuple[float, float] | None, place: int) -> int | None:
    return None if times is None else round(times[place] * 1000)
