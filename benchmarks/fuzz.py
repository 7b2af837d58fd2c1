"""Fuzzing, led by coverage, of what reads strangers' bytes: `python benchmarks/fuzz.py TARGET [--seconds S]`.

Needs Atheris (`pip install atheris`), which is no dependency of anything here; CI runs it where it can be
had. Targets are those of `tests/fuzz_targets.py`. Seeds are the fixtures in `tests/wire`; what is found (a
crash, anything raised but the documented error, a value that does not print back to itself) is left in the
present folder as `crash-…`. Put it into `tests/wire/found` as `TARGET-WHAT.bin`: a test runs all of these.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

try:
    import atheris
except ImportError:
    raise SystemExit("Atheris is not installed: pip install atheris") from None

ROOT = Path(__file__).parents[1]
WIRE = ROOT / "tests" / "wire"
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

with atheris.instrument_imports(include=["trunkline"]):
    from fuzz_targets import TARGETS


def seeds(pattern: str) -> Iterator[bytes]:
    for file in sorted(WIRE.glob(pattern)):
        if file.suffix == ".hex":
            yield bytes.fromhex(file.read_text(encoding="ascii").split("#")[0])
        else:
            yield file.read_bytes()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("target", choices=TARGETS)
    options.add_argument("--seconds", type=int, default=60)
    options.add_argument(
        "--seed", type=int, default=0, help="the same seed tries the same; 0: another each time"
    )
    chosen = options.parse_args()
    make, pattern = TARGETS[chosen.target]
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(seeds(pattern)):
            (Path(corpus) / f"seed-{number}").write_bytes(seed)
        arguments = [
            sys.argv[0], corpus, f"-max_total_time={chosen.seconds}", "-max_len=4096", f"-seed={chosen.seed}",
            "-timeout=60", "-verbosity=0", "-print_final_stats=1",
        ]  # fmt: skip
        atheris.Setup(arguments, make())
        atheris.Fuzz()


if __name__ == "__main__":
    main()
