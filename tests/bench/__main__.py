"""`make bench`; `python -m tests.bench scale` (with `--json`) for one of them alone."""

import asyncio
import sys

from tests.bench import codec, media, receiver, scale


def main(arguments: list[str]) -> None:
    """Print everything, or the scale alone."""
    if arguments[:1] == ["scale"]:
        scale.main(arguments[1:])
        return
    sys.stdout.write("codec, beside a bare lxml parse of the same document\n")
    for row in codec.rows():
        sys.stdout.write(f"  {row}\n")
    sys.stdout.write("receiver, beside bare confirmed publishes of the same size\n")
    for line in asyncio.run(receiver.measure()):
        sys.stdout.write(f"  {line}\n")
    sys.stdout.write("pictures through a receiver process, and back out of the media store\n")
    for line in asyncio.run(media.measure()):
        sys.stdout.write(f"  {line}\n")
    sys.stdout.write("receivers and workers as processes, beside bare confirmed publishes to a quorum queue\n")
    scale.main([])


if __name__ == "__main__":
    main(sys.argv[1:])
