"""`make schemas`: what `mm7 schema` prints is released from now on, unless that would break somebody."""

import sys

from tests.released import files


def main() -> int:
    """0: written; 1: something would break, and nothing is written."""
    if problems := files.problems():
        sys.stderr.writelines(f"{problem}\n" for problem in problems)
        sys.stderr.write(
            "That would break whoever goes by the released schema: give it another version, beside this.\n"
        )
        return 1
    for path, schema in files.CURRENT.items():
        path.write_text(files.text(schema()), encoding="utf-8")
    return 0


sys.exit(main())
