# SPDX-License-Identifier: Apache-2.0
"""The pages the site makes of the code tell of all of it."""

from __future__ import annotations

import importlib
import inspect
import json
import re
import sys
from pathlib import Path

import pytest

from lrd_ext import cli
from lrd_ext.profiles import list_profiles, load_profile

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "docs"))
from makers import api_pages, camera_pages, command_pages  # noqa: E402

PUBLIC = json.loads((ROOT / "tests" / "public_names.json").read_text())
API = api_pages.pages()
COMMANDS = command_pages.pages()


def full(room: str) -> str:
    return room if room == "lrd_ext" else f"lrd_ext.{room}"


def test_every_room_has_a_page():
    assert set(API) == {full(room) for room in PUBLIC}


@pytest.mark.parametrize(("room", "name"), [(room, name) for room in PUBLIC for name in PUBLIC[room]])
def test_every_public_name_is_in_the_reference_with_its_own_words(room, name):
    assert re.search(rf"^\.\. \S+:: {full(room)}\.{re.escape(name)}$", API[full(room)], re.MULTILINE)
    module = importlib.import_module(full(room))
    value = getattr(module, name)
    if not (inspect.isclass(value) or callable(value)):
        assert re.search(rf"::[^\n]*\.{name}\n   :value: [^\n]+\n\n   \S", API[full(room)])
        return
    assert value.__doc__
    assert not value.__doc__.startswith(f"{name}(")  # what a dataclass says of itself


def test_constants_are_told_by_what_stands_at_them():
    page = API["lrd_ext.raw"]
    assert ".. py:data:: lrd_ext.raw.MONO\n   :value: 'MONO'\n\n   Stands in place" in page
    assert ":value: 1099511627776\n\n   An identity is index" in API["lrd_ext.datasets"]


def leaves(parser, path=()):
    """Give every command that has no commands of its own, and its parser."""
    inner = parser.commands
    if not inner:
        yield path, parser
    for name, command in inner.items():
        yield from leaves(command, (*path, name))


def test_every_command_and_each_of_its_options_has_its_text():
    found = dict(leaves(cli._parser()))
    assert ("profile", "import") in found
    for path, parser in found.items():
        name = "lrd " + " ".join(path)
        section = re.split(rf"(?m)^#+ {name}$", COMMANDS[path[0]])[1].split("\n#")[0]
        for action in parser._actions:
            if action.dest != "help":
                assert re.search(
                    rf"^`[^`]*{action.option_strings[-1]}\b" if action.option_strings else "^`", section, re.M
                )
                assert action.help
                assert command_pages.plain_markdown(action.help) in section


def test_usage_stands_as_it_is_typed():
    assert "```text\nlrd synth -o OUT --camera NAME|FILE --iso ISO" in COMMANDS["synth"]
    assert "[options]" not in "".join(COMMANDS.values())
    assert "\n`IN ...`\n: raw files" in COMMANDS["synth"]


def test_every_camera_has_a_page_with_its_sources_and_doubts():
    pages = camera_pages.pages()
    assert sorted(pages) == list_profiles()
    for name, page in pages.items():
        camera = load_profile(name)
        assert f"({name}.png)" in page
        for text in (*camera.notes, *(entry.reason for entry in camera.doubtful)):
            assert camera_pages.plain_markdown(text) in page
        for source in camera.sources:
            assert source.url is None or f"({source.url})" in page
            assert source.commit is None or source.commit[:12] in page


def test_docstrings_are_given_the_form_sphinx_reads():
    lines = [
        "Do it.",
        "",
        "    code()",
        "",
        "Args:",
        "    a: one,",
        "        two.",
        "",
        "Returns: tensor,",
        "more.",
        "",
    ]
    api_pages.tidy_docstring(lines)
    assert lines == [
        *(
            "Do it.",
            "",
            ".. code-block:: python",
            "",
            "    code()",
            "",
            "Args:",
            "    a: one,",
            "        two.",
            "",
        ),
        *("Returns:", "    tensor,", "    more.", ""),
    ]
