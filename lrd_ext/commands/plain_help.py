# SPDX-License-Identifier: Apache-2.0
"""Help texts as they are written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jsonargparse import DefaultHelpFormatter

if TYPE_CHECKING:
    from argparse import Action


class PlainHelp(DefaultHelpFormatter):
    """Adds no types and defaults to the help: the texts name those that matter, in words."""

    def _get_help_string(self, action: Action) -> str:
        return action.help or ""
