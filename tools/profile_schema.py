# SPDX-License-Identifier: Apache-2.0
"""The JSON Schema of camera profiles, made of the parser's own declarations.

`make schema` writes docs/profile.schema.json; a test holds it against the parser.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from lrd_ext.profiles.checks import DEFINITIONS
from lrd_ext.profiles.parse import profile_check

SCHEMA_FILE = Path(__file__).parents[1] / "docs" / "profile.schema.json"


def schema_text() -> str:
    """Return the whole file."""
    about = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Camera noise profile of lrd_ext",
        "$comment": "Made by tools/profile_schema.py. What spans fields is checked by the program alone: "
        "order of ISOs and pairs, white above black and within bits, rows inside branches, K and shape where "
        "they are needed, units of the figures that are held. docs/parameters.md explains every field.",
    }
    return json.dumps(about | dict(profile_check().schema) | {"$defs": DEFINITIONS}, indent=1) + "\n"


def main() -> None:
    """Print the schema, or write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    if options.write:
        options.write.write_text(schema_text(), "utf-8")
    else:
        print(schema_text(), end="")


if __name__ == "__main__":
    main()
