"""Costs: counted from events, priced from a table that people edit."""

import tomllib
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import trunkline.providers.costs
from trunkline.errors import ConfigError
from trunkline.events import (
    CallAnswered,
    CallEnded,
    CallStarted,
    EngineAsked,
    Event,
    GenerationDone,
    GenerationStarted,
    ModelUsed,
    SpeechStarted,
    SpeechStopped,
    SynthesisStarted,
)
from trunkline.providers.costs import CostMeter, Prices, load_prices

PRICES = Prices(
    {
        "llm": {"big": {"input": 2.0, "cached": 0.5, "output": 10.0}, "plain": {"input": 1.0, "output": 1.0}},
        "tts": {"voice": {"characters": 50.0}},
        "stt": {"ear": {"hours": 0.36}, "cut": {"speech_hours": 3.6}},
    },
    frozenset({"brain"}),
)


def call(*events: Event, llm: str = "big", tts: str = "voice", stt: str = "ear") -> CostMeter:
    engines = {"llm": llm, "tts": tts, "stt": stt}
    meter = CostMeter()
    for event in (
        CallStarted(0.0, "c", "inbound", "a", "b", "sip", "s", "w", engines),
        CallAnswered(10.0, "PCMU", 8000),
        *events,
        CallEnded(110.0, "agent", "done", ""),
    ):
        meter.add(event)
    return meter


def answer(
    generation: int, turn: int, text: str, tokens: tuple[int, int, int], model: str = "big"
) -> list[Event]:
    given, output, cached = tokens
    return [
        GenerationStarted(20.0, generation, turn, model),
        SynthesisStarted(21.0, generation, 0, text),
        GenerationDone(22.0, generation, text, given, output, cached),
    ]


def test_a_call_turn_by_turn() -> None:
    meter = call(
        *answer(1, 0, "x" * 100, (0, 0, 0), "scenario"),
        *answer(2, 1, "x" * 200, (10_000, 100, 8_000)),
        *answer(3, 2, "x" * 20, (11_000, 10, 8_000)),
    )
    told = meter.to_json(PRICES)
    assert told["engines"] == [
        {"kind": "stt", "name": "ear", "used": {"seconds": 100.0, "speech_seconds": 0.0}, "cost": 0.01},
        {"kind": "tts", "name": "voice", "used": {"characters": 320}, "cost": 0.016},
        {
            "kind": "llm",
            "name": "big",
            "used": {"input": 5000, "cached": 16000, "output": 110},
            "cost": 0.0191,
        },
    ]
    assert told["total"] == pytest.approx(0.0451)
    assert [turn["turn"] for turn in told["turns"]] == [0, 1, 2]
    assert sum(turn["cost"] for turn in told["turns"]) == pytest.approx(told["total"])
    assert told["unknown"] == []


def test_a_price_that_is_missing_is_no_price_of_nothing() -> None:
    told = call(*answer(1, 1, "Hello.", (10, 10, 0), "new-model"), tts="nonesuch").to_json(PRICES)
    assert told["total"] is None
    assert told["unknown"] == ["llm new-model", "tts nonesuch"]
    assert told["turns"][1]["cost"] is None


def test_what_runs_here_costs_nothing() -> None:
    told = call(*answer(1, 1, "", (5, 5, 0), "brain"), llm="brain").to_json(PRICES)
    assert [row["cost"] for row in told["engines"] if row["kind"] == "llm"] == [0.0]


def test_cached_input_without_its_price_costs_what_input_costs() -> None:
    told = call(*answer(1, 1, "", (1_000_000, 0, 400_000), "plain")).to_json(PRICES)
    assert next(row["cost"] for row in told["engines"] if row["kind"] == "llm") == 1.0


@pytest.mark.parametrize(
    ("name", "found"), [("big", True), ("big-2026-01-01", True), ("bigger", False), ("bi", False)]
)
def test_a_name_is_found_by_its_beginning(name: str, found: bool) -> None:
    assert (PRICES.of("llm", name) is not None) is found


def test_the_longest_beginning_counts() -> None:
    prices = Prices({"llm": {"a": {"input": 1.0}, "a-b": {"input": 2.0}}})
    assert prices.of("llm", "a-b-c") == {"input": 2.0}


def used(meter: CostMeter, kind: str) -> dict[str, dict[str, float]]:
    return {row["name"]: row["used"] for row in meter.to_json(PRICES)["engines"] if row["kind"] == kind}


def test_a_sentence_is_counted_for_each_voice_that_was_given_some_of_it() -> None:
    meter = call(
        SynthesisStarted(21.0, 1, 0, "x" * 50),
        EngineAsked(21.0, "tts", "voice", characters=50),
        EngineAsked(22.0, "tts", "spare", characters=30),
        SynthesisStarted(23.0, 1, 1, "x" * 70),
        EngineAsked(23.0, "tts", "spare", characters=70),
    )
    assert used(meter, "tts") == {"voice": {"characters": 50}, "spare": {"characters": 100}}


def test_a_sentence_whose_stored_sound_was_gone_is_counted() -> None:
    meter = call(
        SynthesisStarted(21.0, 1, 0, "x" * 50, cached=True), EngineAsked(21.0, "tts", "spare", characters=50)
    )
    assert used(meter, "tts") == {"spare": {"characters": 50}}


def test_each_recogniser_is_counted_from_when_it_listens() -> None:
    meter = call(
        SpeechStarted(30.0, 30.3),
        SpeechStopped(35.0, 35.0),
        SpeechStarted(39.0, 39.3),
        EngineAsked(40.0, "stt", "cut", seconds=2.0),
        SpeechStopped(43.0, 43.0),
        stt="ear",
    )
    assert used(meter, "stt") == {
        "ear": {"seconds": 30.0, "speech_seconds": 6.0},
        "cut": {"seconds": 72.0, "speech_seconds": 5.0},
    }


def test_a_recogniser_that_listens_from_the_beginning_is_not_the_one_that_could_not() -> None:
    meter = CostMeter()
    for event in (
        CallStarted(0.0, "c", "inbound", "a", "b", "sip", "s", "w", {"stt": "ear"}),
        EngineAsked(9.0, "stt", "cut"),
        CallAnswered(10.0, "PCMU", 8000),
        CallEnded(110.0, "agent", "done", ""),
    ):
        meter.add(event)
    assert used(meter, "stt") == {"cut": {"seconds": 100.0, "speech_seconds": 0.0}}


def test_tokens_are_counted_for_the_model_that_gave_them() -> None:
    meter = call(
        GenerationStarted(20.0, 1, 1, "big"),
        GenerationDone(22.0, 1, "Hello.", 1000, 50, 300, others={"plain": [400, 20, 100, 0, 0, 0]}),
        GenerationStarted(30.0, 2, 2, "big"),
        GenerationDone(32.0, 2, "Hello.", 10, 5, 0, others={"plain": [10, 5, 0, 0, 0, 0]}),
        GenerationStarted(40.0, 3, 3, "scenario"),
        GenerationDone(42.0, 3, "Hello.", 7, 3, 0, others={"big": [7, 3, 0, 0, 0, 0]}),
    )
    assert used(meter, "llm") == {
        "plain": {"input": 310, "cached": 100, "output": 25},
        "big": {"input": 407, "cached": 200, "output": 33},
    }


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 10**6), st.integers(0, 10**6)), max_size=10))
def test_the_turns_add_up_to_the_whole(turns: list[tuple[int, int, int]]) -> None:
    events = (
        [
            event
            for number, (turn, given_tokens, output) in enumerate(turns)
            for event in answer(number, turn, "x" * output, (given_tokens, output, given_tokens // 2))
        ]
        if sum(output for _, _, output in turns) < 10**6
        else []
    )
    told = call(*events).to_json(PRICES)
    assert sum(turn["cost"] for turn in told["turns"]) == pytest.approx(told["total"], abs=1e-4)


def test_the_table_that_ships_and_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRUNKLINE_PRICES", raising=False)
    shipped = load_prices()
    assert shipped.of("llm", "claude-haiku-5-5") is not None
    assert set((shipped.of("llm", "brain") or {"": 1.0}).values()) == {0.0}
    mine = tmp_path / "prices.toml"
    mine.write_text('currency = "EUR"\n[tts]\nvoice = { characters = 1 }\n')
    monkeypatch.setenv("TRUNKLINE_PRICES", str(mine))
    assert load_prices().of("tts", "voice") == {"characters": 1.0}
    assert load_prices().currency == "EUR"


@pytest.mark.parametrize(
    ("kind", "name", "prices"),
    [
        ("stt", "deepgram/nova-3", {"hours": 0.288}),
        ("stt", "deepgram/nova-3-multi", {"hours": 0.348}),
        ("stt", "deepgram/flux-general-multi", {"hours": 0.468}),
        ("stt", "deepgram/nova-2", None),  # no page was found that tells it
        ("stt", "assemblyai/universal-streaming-english", {"hours": 0.19}),
        ("stt", "azure/conversation", {"hours": 1.0}),
        ("stt", "google/telephony", {"hours": 0.96}),
        ("stt", "google/chirp_3", None),
        ("stt", "openai/gpt-4o-mini-transcribe", {"speech_hours": 0.18}),
        ("tts", "deepgram/aura-2", {"characters": 30.0}),
        ("tts", "deepgram/aura", None),
        ("tts", "openai/gpt-4o-mini-tts", None),
    ],
)
def test_prices_that_ship(kind: str, name: str, prices: dict[str, float] | None) -> None:
    shipped = load_prices(Path(trunkline.providers.costs.__file__).with_name("prices.toml"))
    assert shipped.of(kind, name) == prices


def test_every_price_tells_when_its_page_was_read() -> None:
    file = Path(trunkline.providers.costs.__file__).with_name("prices.toml")
    tree = tomllib.loads(file.read_text(encoding="utf-8"))
    rows = [row for kind in ("llm", "tts", "stt") for row in tree[kind].values()]
    assert len(rows) > 30
    assert all(isinstance(row["read"], date) for row in rows)


@pytest.mark.parametrize(
    "text",
    [
        "[llm",
        "[llm]\nx = 5",
        "[llm]\nx = { inptu = 1.0 }",
        "[llm]\nx = { input = -1.0 }",
        '[llm]\nx = { input = "1" }',
        "[llm]\nx = { input = nan }",
        "[llm]\nx = { read = 2026-01-01 }",
        "[lmm]\nx = { input = 1.0 }",
        "[carrier]\nx = { hours = 1.0 }",
    ],
)
def test_a_table_that_is_wrong(tmp_path: Path, text: str) -> None:
    file = tmp_path / "prices.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=r"prices\.toml"):
        load_prices(file)
    with pytest.raises(ConfigError, match="cannot be read"):
        load_prices(tmp_path / "nowhere.toml")


def test_a_recogniser_that_is_sent_utterances_alone_is_paid_for_those() -> None:
    meter = call(
        SpeechStarted(20.0, since=20.3),
        SpeechStopped(25.0, until=24.0),
        SpeechStopped(26.0, until=25.0),
        SpeechStarted(30.0, since=30.3),
        SpeechStopped(36.0, until=36.0),
        SpeechStarted(100.0, since=100.0),
        stt="cut",
    )
    (row,) = [row for row in meter.to_json(PRICES)["engines"] if row["kind"] == "stt"]
    assert row["used"] == {"seconds": 100.0, "speech_seconds": 10.0}
    assert row["cost"] == 0.01


def carried(seconds: float, leg: str = "twilio", trunk: str = "", direction: str = "inbound") -> CostMeter:
    meter = CostMeter()
    for event in (
        CallStarted(0.0, "c", direction, "a", "b", leg, "s", "w", {"stt": "brain"}),
        CallAnswered(10.0, "PCMU", 8000, trunk),
        CallEnded(10.0 + seconds, "agent", "done", ""),
    ):
        meter.add(event)
    return meter


CARRIERS = Prices(
    {
        "carrier": {
            "twilio": {"begun_minutes": 0.01},
            "twilio-outbound": {"begun_minutes": 0.02},
            "sip/acme": {"minutes": 0.006},
        },
    },
    frozenset({"brain"}),
)


@pytest.mark.parametrize(
    ("meter", "name", "cost"),
    [
        (carried(0.0), "twilio-inbound", 0.01),
        (carried(60.0), "twilio-inbound", 0.01),
        (carried(60.1), "twilio-inbound", 0.02),
        (carried(90.0, direction="outbound"), "twilio-outbound", 0.04),
        (carried(90.0, "sip", "acme", "outbound"), "sip/acme-outbound", 0.009),
        (carried(90.0, "sip", "other"), "sip/other-inbound", None),
        (carried(90.0, "telnyx"), "telnyx-inbound", None),
    ],
)
def test_a_carriers_minutes_cost_what_its_own_way_of_counting_says(
    meter: CostMeter, name: str, cost: float | None
) -> None:
    told = meter.to_json(CARRIERS)
    (row,) = told["carriers"]
    assert (row["name"], row["cost"]) == (name, cost)
    assert told["total"] == cost
    assert told["unknown"] == ([] if cost is not None else [f"carrier {name}"])
    assert [engine["kind"] for engine in told["engines"]] == ["stt"]


def test_what_a_carrier_is_billed_for_is_told_in_seconds_and_in_minutes_begun() -> None:
    (row,) = carried(61.5).to_json(CARRIERS)["carriers"]
    assert row["used"] == {"seconds": 61.5, "begun_minutes": 2}


@pytest.mark.parametrize("leg", ["sip", "memory", "browser", "audiosocket", "ari"])
def test_a_way_in_without_a_carrier_has_no_price_to_be_missing(leg: str) -> None:
    told = carried(60.0, leg).to_json(CARRIERS)
    assert (told["carriers"], told["total"], told["unknown"]) == ([], 0.0, [])


def test_a_call_that_nobody_took_is_not_billed() -> None:
    meter = CostMeter()
    meter.add(CallStarted(0.0, "c", "outbound", "a", "b", "twilio", "s", "w", {}))
    meter.add(CallEnded(30.0, "network", "no answer", ""))
    assert meter.to_json(CARRIERS)["carriers"] == []


def test_sound_that_a_model_hears_and_speaks_has_prices_of_its_own() -> None:
    prices = Prices(
        {"llm": {"voice": {"input": 1.0, "output": 2.0, "audio_input": 10.0, "audio_output": 20.0}}}
    )
    meter = CostMeter()
    engines = dict.fromkeys(("stt", "llm", "tts", "s2s"), "voice")
    for event in (
        CallStarted(0.0, "c", "inbound", "a", "b", "sip", "s", "", engines),
        CallAnswered(0.0, "PCMU", 8000),
        GenerationStarted(1.0, 1, 1, "voice", False),
        GenerationDone(2.0, 1, "Yes.", 1_000_000, 500_000, 300_000, 600_000, 400_000, 200_000),
        SynthesisStarted(2.0, 1, 0, "Yes.", False),
        ModelUsed(3.0, "voice", "line", 1000, 2000, 0, 0, 1500, 0),
        CallEnded(60.0, "caller", "", ""),
    ):
        meter.add(event)
    told = meter.to_json(prices)
    (row,) = told["engines"]
    assert row["used"] == {
        "input": 301_000,
        "cached": 100_000,
        "output": 100_500,
        "audio_input": 400_000,
        "audio_cached": 200_000,
        "audio_output": 401_500,
    }
    # What came from the vendor's cache has no price of its own here, and costs what other input costs.
    assert told["total"] == pytest.approx(0.401 + 0.201 + 6.0 + 8.03)
    without = Prices({"llm": {"voice": {"input": 1.0, "output": 2.0}}})
    assert meter.to_json(without)["total"] is None, "sound is not counted as text"
