"""`make bench`."""

import asyncio
import sys

from tests.bench import codec, media, receiver


def main() -> None:
    """Print everything."""
    sys.stdout.write("codec, beside a bare lxml parse of the same document\n")
    for row in codec.rows():
        sys.stdout.write(f"  {row}\n")
    sys.stdout.write("receiver, beside bare confirmed publishes of the same size\n")
    for line in asyncio.run(receiver.measure()):
        sys.stdout.write(f"  {line}\n")
    sys.stdout.write("pictures through a receiver process, and back out of the media store\n")
    for line in asyncio.run(media.measure()):
        sys.stdout.write(f"  {line}\n")


if __name__ == "__main__":
    main()
