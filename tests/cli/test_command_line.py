# SPDX-License-Identifier: Apache-2.0
"""How the command line is read: numbers as people write them, and nothing but what was written."""

from __future__ import annotations

import pytest

from lrd_ext import cli
from lrd_ext.commands.parser import Parser

SYNTH = ("synth", "a.dng", "-o", "b.dng", "--camera", "sony_a7s2", "--iso", "800")


def read(argv):
    return cli._read(cli._parser(), list(argv))


@pytest.mark.parametrize("number", ["20:40", "1_000", "0x10", "yes", "~", "", "1e", "٣"])
@pytest.mark.parametrize("option", ["--ratio", "--seed"])
def test_what_only_yaml_takes_for_a_number_is_none(lrd, option, number):
    code, out, err = lrd(*SYNTH, f"{option}={number}")
    assert (code, out) == (2, "")
    assert f"{option}: must be a {'whole ' if option == '--seed' else ''}number, got {number!r}" in err
    assert "class" not in err


@pytest.mark.parametrize(
    ("number", "value"), [("20", 20.0), ("1e3", 1000.0), ("010", 10.0), (".5", 0.5), ("+2.", 2.0)]
)
def test_decimal_numbers_are_read(number, value):
    assert read([*SYNTH, f"--ratio={number}"]).synth.ratio == value


def test_the_environment_changes_no_option(monkeypatch):
    for name, value in (
        ("JSONARGPARSE_DEFAULT_ENV", "true"),
        ("JSONARGPARSE_DEBUG", "true"),
        ("JSONARGPARSE_ADD_PRINT_COMPLETION_ARGUMENT", "junk"),
        ("LRD_SYNTH__RATIO", "7"),
        ("LRD_SYNTH__SEED", "7"),
    ):
        monkeypatch.setenv(name, value)
    options = read(SYNTH).synth
    assert (options.ratio, options.seed) == (1.0, 0)
    with pytest.raises(SystemExit):
        read([*SYNTH, "--bogus"])


def every_parser(parser):
    yield parser
    for child in parser.commands.values():
        yield from every_parser(child)


def test_every_command_is_read_by_the_one_parser():
    parsers = list(every_parser(cli._parser()))
    assert len(parsers) > 8
    assert [p.prog for p in parsers if not isinstance(p, Parser)] == []
