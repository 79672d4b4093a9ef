# SPDX-License-Identifier: Apache-2.0
"""The compiled module lrd_ext._C: where it is found, or why there is none and what to do about it."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import runpy
import sys
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

from .version import __version__

_NAME = "lrd_ext._C"
_FROM_TREE = "the source tree was imported, which holds no compiled module"


def _load() -> tuple[ModuleType | None, str]:
    """Return the compiled module, or None and the reason why there is none."""
    package = Path(__file__).parent
    if PathFinder.find_spec(_NAME, [str(package)]):  # not by all finders: some know other source trees
        try:
            return importlib.import_module(_NAME), ""
        except ImportError as error:
            return None, f"the compiled module does not load: {error}"
    tree = package.parent
    if not (tree / "setup.py").exists():
        return None, "this installation holds no compiled module"
    module, why_not = _load_installed(tree)
    return module, f"{_FROM_TREE}; {why_not}" if why_not else ""


def _load_installed(tree: Path) -> tuple[ModuleType | None, str]:
    """Return the compiled module of an installation, if it was built from the sources in the tree."""
    why_not = "lrd_ext is not installed"
    for installed in importlib.metadata.distributions(name="lrd_ext"):
        package = Path(str(installed.locate_file("lrd_ext")))
        if not package.is_dir() or package.resolve() == Path(__file__).parent:
            continue  # an editable installation, or what setup.py left in the tree
        found = [p for suffix in EXTENSION_SUFFIXES if (p := package / f"_C{suffix}").is_file()]
        if not found:
            why_not = f"the installation in {package} has none either"
        elif installed.version != __version__:
            why_not = f"the one in {package} is of version {installed.version}, the source tree {__version__}"
        elif not _built_from(tree, found[0]):
            why_not = f"the one in {package} was built from other sources (csrc/ or setup.py differ)"
        else:
            return _load_file(found[0])
    return None, why_not


def _built_from(tree: Path, file: Path) -> bool:
    """Look for the hash in the file's bytes: loading the module would register its ops already."""
    support = runpy.run_path(str(tree / "build_support" / "source_hash.py"))
    return support["source_hash"](tree).encode() in file.read_bytes()


def _load_file(file: Path) -> tuple[ModuleType | None, str]:
    loader = ExtensionFileLoader(_NAME, str(file))
    spec = ModuleSpec(_NAME, loader, origin=str(file))
    spec.has_location = True  # so that the module knows its file
    try:
        module = sys.modules[_NAME] = importlib.util.module_from_spec(spec)
        loader.exec_module(module)
    except ImportError as error:
        sys.modules.pop(_NAME, None)
        return None, f"the one at {file} does not load: {error}"
    return module, ""


#: The compiled module or None, and why not.
NATIVE, WHY_NOT_NATIVE = _load()

#: What to do about it.
CURE = (
    "with a C++ compiler, LRD_EXT_NATIVE=1 pip install . in the source tree (or -e . to work on it)"
    if _FROM_TREE in WHY_NOT_NATIVE
    else "install a C++ compiler and then LRD_EXT_NATIVE=1 pip install ."
)
