"""What fuzzing found, run again: `tests/wire/found/TARGET-WHAT.bin`; and every target on its seeds."""

from __future__ import annotations

from pathlib import Path

import pytest

from fuzz_targets import TARGETS

WIRE = Path(__file__).parent / "wire"
FOUND = sorted((WIRE / "found").glob("*.bin"))


@pytest.mark.parametrize("case", FOUND, ids=lambda case: case.stem)
def test_what_was_found_is_found_no_more(case: Path) -> None:
    make, _ = TARGETS[case.stem.partition("-")[0]]
    make()(case.read_bytes())


@pytest.mark.parametrize("name", TARGETS)
def test_every_target_takes_its_seeds_and_no_bytes_at_all(name: str) -> None:
    make, pattern = TARGETS[name]
    target = make()
    seeds = sorted(WIRE.glob(pattern))
    assert seeds
    target(b"")
    for seed in seeds:
        raw = seed.read_bytes()
        target(bytes.fromhex(raw.decode("ascii").split("#")[0]) if seed.suffix == ".hex" else raw)
