"""From sound to decision: spoken words over the agent's voice, through the detector and turn-taking."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from trunkline.events import Ducked, Event, Interrupted, Resumed, SpeakingStarted, TurnEnded
from turn.sounds import Samples, flite, hear, needs_flite, noise, silence, tone
from turn.story import play


def over_the_agent(sound: Samples) -> list[Event]:
    """What is decided when the caller makes this sound a second after the agent began."""
    heard = hear(np.concatenate([silence(1), sound, silence(2)]))
    return play([SpeakingStarted(0, 1), *heard], until=3 + len(sound) / 8000)


@needs_flite
@pytest.mark.parametrize("voice", ["rms", "slt", "awb"])
@pytest.mark.parametrize(
    "text", ["Excuse me, I have a question about that.", "No no, that is not what I meant."]
)
def test_spoken_interruptions_hold_the_agent_and_take_the_turn(text: str, voice: str, tmp_path: Path) -> None:
    decided = over_the_agent(flite(text, tmp_path, voice))
    kinds = [type(event) for event in decided]
    assert any(isinstance(event, Ducked) and event.hold for event in decided)
    assert Interrupted in kinds
    assert kinds[-1] is TurnEnded


@needs_flite
@pytest.mark.parametrize("voice", ["rms", "slt", "awb"])
@pytest.mark.parametrize("text", ["uh-huh", "yeah", "right"])
def test_spoken_signs_of_listening_leave_the_agent_its_sentence(
    text: str, voice: str, tmp_path: Path
) -> None:
    decided = over_the_agent(flite(text, tmp_path, voice))
    assert not any(isinstance(event, Interrupted) for event in decided)
    assert isinstance(decided[-1], Resumed)


@pytest.mark.parametrize("seed", range(10))
def test_coughs_do_not_even_hold_it(seed: int) -> None:
    cough = noise(0.2, 6000, seed) * np.exp(-np.linspace(0, 5, 1600))
    decided = over_the_agent(cough)
    assert not any(
        isinstance(event, Interrupted) or (isinstance(event, Ducked) and event.hold) for event in decided
    )


def test_a_beep_is_no_interruption() -> None:
    decided = over_the_agent(tone(0.3, 9000, 1000))
    assert not any(isinstance(event, Interrupted) for event in decided)
