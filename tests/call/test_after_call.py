"""A finished call's review: in its record at once, and from a model when that is done."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from calls.story import Says, tell
from scenario.talks import conversation, played, small
from trunkline.call.after_call import AfterCalls, Finished
from trunkline.call.play import ScenarioPlay
from trunkline.call.record import RunRecorder
from trunkline.call.settings import CallSettings
from trunkline.clock import SystemClock
from trunkline.errors import EngineDown, RecordError
from trunkline.prompt import Delta, Prompt, Token, Usage
from trunkline.providers.llm.local_brain import LocalBrain
from trunkline.scenario.review import Review


class Reviewer:
    """A model that says what it was made with; None: it fails."""

    name = "reviewer"

    def __init__(self, says: str | None) -> None:
        self._says = says

    async def start(self) -> None:
        """Nothing to load."""

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Delta, None]:
        if self._says is None:
            raise EngineDown("no reviews today", where=self.name)
        yield Token(self._says)
        yield Usage(input_tokens=400, output_tokens=60)

    async def close(self) -> None:
        """Nothing is held."""


async def finished(folder: Path) -> tuple[Finished, Path]:
    """A call that is over and recorded."""
    talk = await played(conversation(small()), "twelve", "yes")
    recorder = RunRecorder(folder / "run", lambda error: pytest.fail(str(error)))
    recorder.start()
    done = Finished(ScenarioPlay(small()), talk.state, recorder)
    found = done.review()
    assert found is not None
    recorder.finish({"outcome": "big", "review": found.to_json()}, "")
    return done, folder / "run" / "call.json"


def record(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(path.read_text())
    return loaded


def test_a_calls_record_says_what_it_came_to_and_which_rules_were_kept() -> None:
    story = tell(
        Says(5.0, "twelve"),
        Says(9.0, "yes"),
        play=ScenarioPlay(small()),
        model=LocalBrain(clock=SystemClock()),
        settings=CallSettings(vad="energy"),
        lasts=20.0,
    )
    found = story.result.record["review"]
    assert found["by"] == "rules"
    assert found["kept"], found
    assert found["summary"] == "Outcome: big (reached big). Learned: size twelve."
    assert "goodbye" in [check["name"] for check in found["checks"]]


async def test_a_models_review_comes_into_the_record(tmp_path: Path) -> None:
    done, path = await finished(tmp_path)
    told: list[Review] = []
    after = AfterCalls(Reviewer('{"summary": "They are twelve.", "rules": []}'), wanted=True)
    after.take(done, told.append)
    await after.close(5.0)
    assert record(path)["outcome"] == "big"
    assert record(path)["review"]["by"] == "reviewer"
    assert record(path)["review"]["summary"] == "They are twelve."
    assert record(path)["review"]["tokens"] == {"input": 400, "output": 60}
    assert [review.summary for review in told] == ["They are twelve."]


@pytest.mark.parametrize("says", [None, "I would rather not", "{}"])
async def test_where_the_model_does_not_review_the_record_stays(tmp_path: Path, says: str | None) -> None:
    done, path = await finished(tmp_path)
    after = AfterCalls(Reviewer(says), wanted=True)
    after.take(done)
    await after.close(5.0)
    assert record(path)["review"]["by"] == "rules"


async def test_nothing_is_asked_where_it_is_not_wanted_or_the_brain_leads(tmp_path: Path) -> None:
    done, path = await finished(tmp_path)
    for after in (
        AfterCalls(Reviewer('{"summary": "x"}'), wanted=False),
        AfterCalls(LocalBrain(clock=SystemClock()), wanted=True),
    ):
        after.take(done)
        await after.close(5.0)
    assert record(path)["review"]["by"] == "rules"


async def test_a_record_that_is_gone_is_an_error_of_the_record(tmp_path: Path) -> None:
    done, path = await finished(tmp_path)
    path.unlink()
    assert done.recorder is not None
    with pytest.raises(RecordError, match="amended"):
        done.recorder.amend({})
