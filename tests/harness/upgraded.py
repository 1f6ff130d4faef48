"""A pytest plugin that simulates an upgrade: it imports changed files instead of the installed ones.

The files are in the folder ``changed`` beside this module, under their names below site-packages. The
environment itself, which other tests use at the same time, stays as it is.
"""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType


class Upgrade(MetaPathFinder):
    def __init__(self, folder: Path) -> None:
        self.changed = {
            ".".join(path.relative_to(folder).with_suffix("").parts).removesuffix(".__init__"): path
            for path in folder.rglob("*.py")
        }
        assert not self.changed.keys() & sys.modules.keys(), "imported before this plugin"

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path, target) if name in self.changed else None
        if spec:  # Only the source is another one: __file__ and the path of a package stay.
            spec.loader = SourceFileLoader(name, str(self.changed[name]))
        return spec


sys.meta_path.insert(0, Upgrade(Path(__file__).parent / "changed"))
