"""Static files under hashed names, with the manifest of those names in the project root.

``collectstatic`` may run anywhere and put the files anywhere. ``staticfiles.json`` stays with the
code, so that each server names the files of its own release. In ``STORAGES["staticfiles"]``:
``{"BACKEND": "common.static_files.manifest.RootManifestStaticFilesStorage"}``.
After "A hidden gem in Django 1.7: ManifestStaticFilesStorage".
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.staticfiles.storage import ManifestFilesMixin, ManifestStaticFilesStorage
from django.core.exceptions import ImproperlyConfigured
from django.core.files import File
from django.core.files.storage import FileSystemStorage, Storage
from django.utils.crypto import get_random_string

if TYPE_CHECKING:

    class _ManifestStorage(ManifestFilesMixin, Storage):  # type: ignore[misc] # Django mixes so
        def _save(self, name: str, content: File[Any]) -> str: ...
else:
    _ManifestStorage = ManifestFilesMixin


@contextmanager
def replacing(path: str) -> Iterator[str]:
    """Yield the path of a temporary file, which replaces ``path`` if the block succeeds."""
    temporary = f"{path}.{get_random_string(12)}"
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        Path(temporary).unlink(missing_ok=True)


class AtomicFileSystemStorage(FileSystemStorage):
    """Writes files in one step: a reader finds the old file or the new one, never a part of it."""

    def _save(self, name: str, content: "File[Any]") -> str:
        with replacing(self.path(name)) as temporary:
            super()._save(temporary, content)  # type: ignore[misc] # django-stubs leave it out
        return name


class ManifestFolder(AtomicFileSystemStorage):
    """The folder of the manifest. The old manifest stays until a new one replaces it."""

    def delete(self, name: str) -> None:
        """Do nothing, because Django deletes the old manifest before it saves the new one."""


class RootManifestMixin(_ManifestStorage):
    """Keeps the manifest in ``settings.STATICFILES_MANIFEST_ROOT``, by default ``BASE_DIR``.

    Raise ImproperlyConfigured when a name is looked up and the manifest is missing or corrupt. An
    earlier error would stop the ``collectstatic`` that repairs it. WhiteNoise ignores ValueError.
    """

    manifest_storage: Storage
    manifest_error = ""  # Why no name can be looked up, and what to do.
    _is_collecting = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        root = getattr(settings, "STATICFILES_MANIFEST_ROOT", None) or ""
        base_dir = getattr(settings, "BASE_DIR", "")
        kwargs.setdefault("manifest_storage", ManifestFolder(Path(base_dir, root)))
        super().__init__(*args, **kwargs)
        static_root = getattr(self, "location", None)  # On S3 a prefix, which is never absolute.
        if static_root and Path(self.manifest_path).is_relative_to(static_root):
            raise ImproperlyConfigured(
                f"The static files manifest {self.manifest_path!r} would be in STATIC_ROOT, which "
                "is public and which collectstatic may clear: choose another STATIC_ROOT."
            )

    @property
    def manifest_path(self) -> str:
        """The full path of the manifest, or its name where the storage has no paths."""
        try:
            return self.manifest_storage.path(self.manifest_name)
        except NotImplementedError:
            return self.manifest_name

    def read_manifest(self) -> Any:
        content: str | None = super().read_manifest()
        self._set_manifest_error("is missing" if content is None else "")
        return content

    def load_manifest(self) -> Any:
        """Return the paths and the hash. On an error return no paths, and keep the message."""
        try:
            manifest: Any = super().load_manifest()
            if not all(isinstance(name, str) for name in manifest[0].values()):
                raise TypeError("a hashed name is not a string")
        except Exception as exc:  # Django expects bad JSON, but not all that a git merge can leave.
            self._set_manifest_error(f"cannot be read ({type(exc).__name__}: {exc})")
            return {}, ""
        return manifest

    def _set_manifest_error(self, problem: str) -> None:
        message = f"The static files manifest {self.manifest_path!r} {problem}: run collectstatic."
        self.manifest_error = message if problem else ""

    def stored_name(self, name: str) -> str:
        if self.manifest_error:
            raise ImproperlyConfigured(self.manifest_error)
        return super().stored_name(name)

    def post_process(self, *args: Any, **kwargs: Any) -> Iterator[Any]:
        """Save the manifest last, because WhiteNoise may fail after Django has saved it.

        Then delete the hashed files that this run made and that the manifest does not name: those
        of stylesheets whose references had not been hashed yet.
        """
        self._is_collecting = True
        self._made: set[str] = set()
        try:
            for result in super().post_process(*args, **kwargs):
                self._is_collecting = False  # After an error, Django does not resume here.
                yield result
                self._is_collecting = True
        finally:
            self._is_collecting = False
        if not kwargs.get("dry_run"):
            self.save_manifest()
        for name in self._made.difference(self.hashed_files.values()):
            self.delete(name)

    def save_manifest(self) -> None:
        if not self._is_collecting:
            super().save_manifest()
            self.manifest_error = ""

    def _save(self, name: str, content: "File[Any]") -> str:
        """Save a hashed file only if it is not there yet: its name depends on its content."""
        if self._is_collecting:
            if self.exists(name):
                return name
            self._made.add(name)
        return super()._save(name, content)

    def delete(self, name: str) -> None:
        """Keep every hashed file while collecting: another release may serve it."""
        if not self._is_collecting:
            super().delete(name)


class RootManifestStaticFilesStorage(  # type: ignore[misc] # Django mixes so
    RootManifestMixin, AtomicFileSystemStorage, ManifestStaticFilesStorage
):
    """Local files, for a web server to serve."""
