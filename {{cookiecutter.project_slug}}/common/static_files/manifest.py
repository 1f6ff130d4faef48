"""Static files under hashed names, with the manifest of those names in the project root.

``collectstatic`` may run anywhere and put the files anywhere. ``staticfiles.json`` stays with the
code, so that each server names the files of its own release. In ``STORAGES["staticfiles"]``:
``{"BACKEND": "common.static_files.manifest.RootManifestStaticFilesStorage"}``.
After "A hidden gem in Django 1.7: ManifestStaticFilesStorage".
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.storage import ManifestFilesMixin, ManifestStaticFilesStorage
from django.core.exceptions import ImproperlyConfigured
from django.core.files import File
from django.core.files.storage import FileSystemStorage, Storage
from django.utils.crypto import get_random_string


@contextmanager
def replacing(path: str) -> Iterator[str]:
    """Yield the path of a temporary file, which replaces ``path`` if the block succeeds."""
    temporary = Path(f"{path}.{get_random_string(12)}")
    try:
        yield str(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


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


class RootManifestMixin(ManifestFilesMixin, Storage):  # type: ignore[misc] # Django mixes so
    """Keeps the manifest in ``settings.STATICFILES_MANIFEST_ROOT``, by default ``BASE_DIR``.

    Raise ImproperlyConfigured when a name is looked up and the manifest is missing or corrupt. An
    earlier error would stop the ``collectstatic`` that repairs it. WhiteNoise ignores ValueError.
    """

    manifest_storage: Storage
    manifest_error = ""  # Why no name can be looked up, and what to do.
    _made: set[str] | None = None  # The hashed files of this run, while collectstatic makes them.

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        root = getattr(settings, "STATICFILES_MANIFEST_ROOT", None) or ""
        base_dir = getattr(settings, "BASE_DIR", "")
        storage = kwargs.setdefault("manifest_storage", ManifestFolder(Path(base_dir, root)))
        # Not storage.path(): a storage without a folder, such as one in memory, raises an error.
        self.manifest_path = str(Path(getattr(storage, "location", ""), self.manifest_name))
        super().__init__(*args, **kwargs)
        static_root = getattr(self, "location", None)  # On S3 a prefix, which is never absolute.
        if static_root and Path(self.manifest_path).is_relative_to(static_root):
            raise ImproperlyConfigured(
                f"The static files manifest {self.manifest_path!r} would be in STATIC_ROOT, which "
                "is public and which collectstatic may clear: choose another STATIC_ROOT."
            )

    def load_manifest(self) -> Any:
        """Return the paths and the hash. On an error return no paths, and keep the message."""
        try:
            manifest: Any = super().load_manifest()
            if not all(isinstance(name, str) for name in manifest[0].values()):
                raise TypeError("a hashed name is not a string")
            problem = "" if any(manifest) else "is missing"
        except Exception as exc:  # Django expects bad JSON, but not all that a git merge can leave.
            problem, manifest = f"cannot be read ({type(exc).__name__}: {exc})", ({}, "")
        message = f"The static files manifest {self.manifest_path!r} {problem}: run collectstatic."
        self.manifest_error = message if problem else ""
        return manifest

    def stored_name(self, name: str) -> str:
        if self.manifest_error:
            raise ImproperlyConfigured(self.manifest_error)
        return super().stored_name(name)

    def post_process(self, *args: Any, **kwargs: Any) -> Iterator[Any]:
        """Save the manifest last, because WhiteNoise may fail after Django has saved it.

        Then delete the hashed files that this run made and that the manifest does not name: those
        of stylesheets whose references had not been hashed yet.
        """
        self._made = made = set[str]()
        try:
            yield from super().post_process(*args, **kwargs)
        finally:
            self._made = None
        if not kwargs.get("dry_run"):
            self.save_manifest()
        for name in made.difference(self.hashed_files.values()):
            self.delete(name)

    def save_manifest(self) -> None:
        if self._made is None:
            super().save_manifest()
            self.manifest_error = ""

    def _save(self, name: str, content: "File[Any]") -> Any:
        """Save a hashed file only if it is not there yet: its name depends on its content."""
        if self._made is not None:
            if self.exists(name):
                return name
            self._made.add(name)
        return super()._save(name, content)  # type: ignore[misc] # django-stubs leave it out

    def delete(self, name: str) -> None:
        """Keep every hashed file while collecting: another release may serve it."""
        if self._made is None:
            super().delete(name)


class RootManifestStaticFilesStorage(  # type: ignore[misc] # Django mixes so
    RootManifestMixin, AtomicFileSystemStorage, ManifestStaticFilesStorage
):
    """Local files, for a web server to serve."""
