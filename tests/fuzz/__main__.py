"""The loop: seeds, mutations, and what to do about what is found."""

import argparse
import hashlib
import json
import sys
import time
import traceback
from collections import Counter
from pathlib import Path
from random import Random

from tests.fuzz import mutation, target
from tests.fuzz.target import Input

FOLDER = Path(".run/fuzz")
REPORT_EVERY = 5.0
MAX_FOUND = 10  # of different kinds: after these somebody has to look


def main(arguments: list[str] | None = None) -> int:
    """0 for nothing found, 1 for something, with how to see it again."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz", description="Mutate the samples; read what comes out."
    )
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to try (default: 60)")
    parser.add_argument("--seed", type=int, default=None, help="the same inputs again; default: others each time")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where inputs that crash are kept")
    parser.add_argument("--replay", type=Path, default=None, help="read one kept input again, and show what happens")
    given = parser.parse_args(arguments)
    if given.replay:
        return _replay(given.replay)
    seed = time.time_ns() % 2**32 if given.seed is None else given.seed
    return _search(given.seconds, seed, given.folder)


def _search(seconds: float, seed: int, folder: Path) -> int:
    random, seeds = Random(seed), target.seeds()
    corpus, bodies = list(seeds), [one.body for one in seeds]
    types = [(one.content_type or "").encode("utf-8", "surrogateescape") for one in seeds]
    became: Counter[str] = Counter()
    found: dict[str, Path] = {}
    began = reported = time.monotonic()
    _say(f"seed {seed}, {len(seeds)} samples, {seconds:g} s")
    while (now := time.monotonic()) - began < seconds and len(found) < MAX_FOUND:
        if now - reported >= REPORT_EVERY:
            reported = now
            _progress(now - began, became, found)
        one = random.choice(corpus)
        body, content_type = one.body, (one.content_type or "").encode("utf-8", "surrogateescape")
        if random.random() < 0.9:
            body = mutation.mutate(body, bodies, random)
        if random.random() < 0.3:
            content_type = mutation.mutate(content_type, types, random)[:8000]
        changed = Input(content_type.decode("utf-8", "surrogateescape") or None, body)
        try:
            result = target.check(changed)
        except Exception as error:  # noqa: BLE001  # whatever it is, it is what we are looking for
            _keep(error, changed, folder, found)
            continue
        if result not in became and len(body) < 1 << 16:
            corpus.append(changed)  # a new kind of end: more may lie behind it
        became[result] += 1
    _progress(time.monotonic() - began, became, found)
    return 1 if found else 0


def _keep(error: Exception, given: Input, folder: Path, found: dict[str, Path]) -> None:
    """Keep the first input of each kind of crash, and say how to see it again."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    kind = f"{type(error).__name__} in {Path(last.filename).name}:{last.lineno}"
    if kind in found:
        return
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{hashlib.sha256(given.body).hexdigest()[:16]}.body"
    path.write_bytes(given.body)
    path.with_suffix(".json").write_text(json.dumps({"content_type": given.content_type, "kind": kind}))
    found[kind] = path
    _say(f"FOUND {kind}: {str(error)[:200]}\n  again: {sys.executable} -m tests.fuzz --replay {path}")


def _replay(path: Path) -> int:
    facts = json.loads(path.with_suffix(".json").read_text())
    try:
        _say(target.check(Input(facts["content_type"], path.read_bytes())))
    except Exception:  # noqa: BLE001  # as above
        _say(traceback.format_exc())
        return 1
    return 0


def _progress(seconds: float, became: Counter[str], found: dict[str, Path]) -> None:
    total = became.total()
    shown = ", ".join(f"{name} {count}" for name, count in became.most_common())
    _say(f"{seconds:.0f} s: {total} inputs, {total / max(seconds, 0.001):.0f}/s, {len(found)} found ({shown})")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
