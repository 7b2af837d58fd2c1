"""Makes the calls under `replays/` anew, where turn-taking was changed on purpose.

    PYTHONPATH=src:tests .venv/bin/python tests/calls/save_replays.py

Each is a call of `test_turn_taking.py` or `test_answering_machine.py`. What changed, the difference of the
files says: read it before they are committed.
"""

from __future__ import annotations

from pathlib import Path

from calls.story import Beeps, Says, SmallTalk, Told, tell
from calls.test_answering_machine import GREETING, call
from trunkline.call.settings import CallSettings
from trunkline.events import Answer
from trunkline.lab.replay import as_line
from trunkline.turn.policy import TurnPolicy

FOLDER = Path(__file__).parent / "replays"
LONG = "Our plans start at twenty dollars a month for each person, and you may leave whenever you like."


def calls() -> dict[str, Told]:
    """Each call by the name of its file."""
    adaptive = CallSettings(vad="energy")
    plain = CallSettings(vad="energy", turn=TurnPolicy(silence=0.2, adaptive=False), speculate=False)
    ask = Says(3.0, "what does it cost")
    mailbox = Says(0.8, GREETING)
    return {
        "both-at-once": tell(
            ask,
            Says(ask.end + 0.24, "and is there a contract"),
            replies=[LONG, "No contract at all."],
            settings=plain,
            lasts=13.5,
        ),
        "interrupted": tell(ask, Says(6.0, "wait is there a contract"), replies=[LONG], lasts=12),
        "music-on-hold": tell(
            Says(3.0, "one moment please"),
            Says(6.0, "music", heard_as="", lasts=30.0),
            Says(40.0, "I am back what does it cost"),
            replies=["Of course.", "Twenty dollars."],
            settings=adaptive,
            lasts=50,
        ),
        "number-in-groups": tell(
            Says(3.0, "it is oh two oh"),
            Says(5.3, "seven nine four six"),
            Says(7.5, "one two three four"),
            play=SmallTalk(asks=Answer.PHONE),
            settings=adaptive,
            lasts=14,
        ),
        "phone-menu": call(Says(0.8, "thank you for calling for sales press one for support press two")),
        "voicemail": call(mailbox, Beeps(mailbox.end + 0.9)),
        "voicemail-then-a-person": call(
            Says(0.8, "dana is not here please leave a message after the tone"),
            Says(5.1, "hello"),
            Says(10.4, "yes that is fine"),
        ),
    }


def main() -> None:
    for name, told in calls().items():
        lines = [as_line(event) for event in told.events]
        (FOLDER / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
