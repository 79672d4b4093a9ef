# SPDX-License-Identifier: Apache-2.0
"""The profiles of the library, made of the figures as their authors published them.

tools/library holds these figures under the published names, one file a project with repository, commit and
licence, and in cameras.json what each camera needs besides: name, levels, notes, doubts, and rows that were
measured outside of the published tables. `make library` writes lrd_ext/profiles/library; a test holds it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lrd_ext.profiles import CameraProfile, importers

INPUTS = Path(__file__).parent / "library"
LIBRARY = Path(__file__).parents[1] / "lrd_ext" / "profiles" / "library"


def make_library() -> dict[str, bytes]:
    """Return the files of the library by the camera's name."""
    return {name: _make(recipe).to_bytes() for name, recipe in _read("cameras").items()}


def _read(name: str) -> dict[str, Any]:
    return json.loads((INPUTS / f"{name}.json").read_text("utf-8"))


def _make(recipe: dict[str, Any]) -> CameraProfile:
    published = _read(recipe["from"].partition("_")[0])
    about = recipe["about"] | {"commit": published["_source"]["commit"]}
    return _MAKERS[recipe["from"]](published, recipe, about)


def _eld(published: dict[str, Any], recipe: dict[str, Any], about: dict[str, Any]) -> CameraProfile:
    return importers.import_eld(published["cameras"][recipe["figures"]], **about)


def _sfrn(published: dict[str, Any], recipe: dict[str, Any], about: dict[str, Any]) -> CameraProfile:
    return importers.import_sfrn(**published[recipe["figures"]], **about)


def _hdrutils(published: dict[str, Any], recipe: dict[str, Any], about: dict[str, Any]) -> CameraProfile:
    figures = published["cameras"][recipe["figures"]]
    return importers.import_hdrutils(
        **{name: figures[name] for name in ("k", "std_read", "std_adc")}, **about
    )


def _pmrid(published: dict[str, Any], recipe: dict[str, Any], about: dict[str, Any]) -> CameraProfile:
    return importers.import_pmrid(published["K_coeff_poly"], published["B_coeff_poly"], **about)


def _handheld(published: dict[str, Any], recipe: dict[str, Any], about: dict[str, Any]) -> CameraProfile:
    return importers.import_handheld(published["alpha"], published["beta"], **about)


def _pmn_law(published: dict[str, Any], recipe: dict[str, Any], about: dict[str, Any]) -> CameraProfile:
    law = published["tables"]["get_camera_noisy_params"][recipe["figures"]]
    return importers.import_pmn_law(law, **about)


def _pmn_table(published: dict[str, Any], recipe: dict[str, Any], about: dict[str, Any]) -> CameraProfile:
    tables, prefix = published["tables"], recipe["figures"]
    rows = {
        int(name.removeprefix(prefix)): row
        for name, row in tables["get_camera_noisy_params_max"].items()
        if name.startswith(prefix)
    }
    laws = [(name, iso, tables["get_camera_noisy_params"][law]) for name, iso, law in recipe["laws"]]
    errors = {int(iso): dn for iso, dn in published["darkshading_BLE"]["data"].items()}
    return importers.import_pmn_table(rows, laws, errors, **about)


_MAKERS: dict[str, Callable[[dict[str, Any], dict[str, Any], dict[str, Any]], CameraProfile]] = {
    "eld": _eld,
    "sfrn": _sfrn,
    "hdrutils": _hdrutils,
    "pmrid": _pmrid,
    "handheld": _handheld,
    "pmn_law": _pmn_law,
    "pmn_table": _pmn_table,
}


def main() -> None:
    """Write the library, and say which files differ from what stood there."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    made = make_library()
    for name, content in made.items():
        path = LIBRARY / f"{name}.json"
        same = path.is_file() and path.read_bytes() == content
        print(f"{name}: {'as it was' if same else 'changed'}")
        path.write_bytes(content)


if __name__ == "__main__":
    main()
