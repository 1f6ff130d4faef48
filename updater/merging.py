"""Merge what changed between two renderings of the template into the service, with git."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from commands import UpdateError, git, identity, names, try_git, undivided

# Two apps that startapp made are alike: if a service deleted one and has another, that is no rename.
SIMILARITY = "80%"


@dataclass
class Changes:
    """Paths of the template that this service changed, and what the merge did with them."""

    edited: list[str] = field(default_factory=list)
    moved: dict[str, str] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)
    conflicts: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)


def parents(paths: Iterable[str]) -> set[PurePosixPath]:
    return {folder for path in paths for folder in PurePosixPath(path).parents}


def topmost(path: str, folders: Collection[PurePosixPath]) -> str:
    """Return the outermost of ``folders`` that contains ``path``, or else the path itself."""
    return next((f"{f}/" for f in reversed(PurePosixPath(path).parents) if f in folders), path)


class Service:
    """The repository of a service, whose files are in ``path``: its root, or a folder of it."""

    def __init__(self, path: Path, scratch: Path) -> None:
        self.path = path
        self.scratch = scratch
        self.prefix = git(path, "rev-parse", "--show-prefix")
        self.root = Path(git(path, "rev-parse", "--show-toplevel"))
        self.git_dir = git(path, "rev-parse", "--absolute-git-dir")
        self.is_merged = False

    def require_clean(self) -> None:
        for state in (
            "MERGE_HEAD",
            "CHERRY_PICK_HEAD",
            "REVERT_HEAD",
            "rebase-merge",
            "rebase-apply",
        ):
            if Path(self.git_dir, state).exists():
                raise UpdateError(f"git is in the middle of something ({state}). Finish it first.")
        changed = git(self.root, "status", "--porcelain").splitlines()
        if changed:
            raise UpdateError(
                f"The working tree has changes: {changed[0].strip()}"
                f"{f' and {len(changed) - 1} more' if changed[1:] else ''}. Commit or stash them."
            )

    def restore(self) -> None:
        """Undo the merge. git removes the files that it added."""
        with undivided():
            if self.is_merged:
                git(self.root, "reset", "--quiet", "--hard", "HEAD")

    def tree(self, rendering: Path) -> str:
        """Write the files of a rendering to git's objects; return the id of their tree."""
        index = {"GIT_INDEX_FILE": str(self.scratch / "index")}
        work_tree = f"--work-tree={rendering}"
        git(self.root, work_tree, "read-tree", "--empty", **index)
        git(
            rendering,
            f"--git-dir={self.git_dir}",
            work_tree,
            "add",
            "--all",
            "--force",
            ".",
            **index,
        )
        tree = git(self.root, "write-tree", **index)
        if not self.prefix:
            return tree
        git(self.root, "read-tree", "--empty", **index)
        git(self.root, "read-tree", f"--prefix={self.prefix}", tree, **index)
        return git(self.root, "write-tree", **index)

    def without(self, tree: str, paths: Collection[str]) -> str:
        """Return a tree without ``paths``."""
        if not paths:
            return tree
        index = {"GIT_INDEX_FILE": str(self.scratch / "index")}
        git(self.root, "read-tree", tree, **index)
        git(self.root, "update-index", "--force-remove", "--", *sorted(paths), **index)
        return git(self.root, "write-tree", **index)

    def paths(self, tree: str) -> set[str]:
        return {*names(git(self.root, "ls-tree", "-r", "-z", "--name-only", "--full-tree", tree))}

    def changed(self, old: str, new: str, *paths: str) -> dict[str, str]:
        """Return each path that differs between two trees, and its letter in ``git diff``."""
        listed = names(
            git(self.root, "diff", "--name-status", "--no-renames", "-z", old, new, "--", *paths)
        )
        return dict(zip(listed[1::2], listed[::2], strict=True))

    def renamed(self, old: str, new: str) -> dict[str, str]:
        """Return the paths that a tree has under another name, and those names."""
        options = [f"--find-renames={SIMILARITY}", "--no-rename-empty", "--diff-filter=R", "-l0"]
        listed = names(git(self.root, "diff", *options, "--name-status", "-z", old, new))
        return dict(zip(listed[1::3], listed[2::3], strict=True))

    def merge(self, old: str, new: str, title: str) -> Changes:
        """Merge the changes from ``old`` to ``new``, two trees, into the index and the files."""
        ours = self.changed(old, "HEAD")
        theirs = self.changed(old, new)
        moved = self.renamed(old, "HEAD")
        gone = {path for path, letter in ours.items() if letter == "D" and path not in moved}
        folders = parents(gone) - parents(self.paths("HEAD")) - parents(moved)
        refused = self.refused(old, new, gone, folders)
        left_out = refused | {path for path in gone if theirs.get(path, "D") != "D"}
        changes = Changes(
            edited=[path for path in theirs if ours.get(path) == "M"],
            moved={path: moved[path] for path in theirs if path in moved},
            deleted=sorted({topmost(path, folders) for path in left_out}),
        )
        base = self.without(old, gone)
        target = self.without(new, (gone & self.paths(new)) | refused)
        if base == target:
            return changes
        self.require_free(self.paths(target) - self.paths(base) - self.paths("HEAD"))
        before = git(self.root, "commit-tree", base, "-m", "before", **identity())
        after = git(self.root, "commit-tree", target, "-p", before, "-m", title, **identity())
        with undivided():
            options = ["-c", "merge.renames=true", "-c", "merge.directoryRenames=conflict"]
            options += ["cherry-pick", "--no-commit", "-X", f"find-renames={SIMILARITY}"]
            picked = try_git(self.root, *options, after, **identity())
            unmerged = names(git(self.root, "diff", "--name-only", "--diff-filter=U", "-z"))
            self.is_merged = picked.returncode == 0 or bool(unmerged)
        changes.conflicts = sorted({*unmerged})
        if picked.returncode and not unmerged:
            raise UpdateError(f"git cannot merge: {(picked.stderr or picked.stdout).strip()}")
        changes.messages = [x for x in picked.stdout.splitlines() if x.startswith("CONFLICT")]
        return changes

    def refused(
        self, old: str, new: str, gone: Collection[str], folders: Collection[PurePosixPath]
    ) -> set[str]:
        """Return paths of ``new`` that would bring back what the service deleted.

        These are ``gone`` files that the template renamed, and new files of ``folders``.
        """
        renamed = self.renamed(old, new)
        back = {renamed[path] for path in gone if path in renamed}
        added = self.paths(new) - self.paths(old)
        return back | {path for path in added if parents([path]) & {*folders}}

    def require_free(self, added: Collection[str]) -> None:
        """Refuse to overwrite what git ignores: a file at the path, or a file or link in its place."""
        tracked = self.paths("HEAD")
        tracked |= {str(folder) for folder in parents(tracked)}
        taken = set()
        for path in added:
            for name in {path, *map(str, PurePosixPath(path).parents)} - tracked:
                here = self.root / name
                if here.is_symlink() or (here.exists() and (name == path or not here.is_dir())):
                    taken.add(name)
        if taken:
            raise UpdateError(
                f"The template adds {', '.join(sorted(taken))}, which is here and which git ignores."
                " Move it away, then try again."
            )
