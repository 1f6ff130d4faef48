"""Static files under hashed names; the manifest of those names is in the project root.

``collectstatic`` may run anywhere and put the assets anywhere. ``staticfiles.json`` travels with the
code, so that each server hands out the names of its own release:
``STORAGES = {"staticfiles": {"BACKEND": "common.static_files.whitenoise.RootManifestWhiteNoiseStorage"}, …}``.
After "A hidden gem in Django 1.7: ManifestStaticFilesStorage".
"""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.storage import ManifestFilesMixin, ManifestStaticFilesStorage
from django.core.exceptions import ImproperlyConfigured
from django.core.files import File
from django.core.files.storage import FileSystemStorage, Storage
from django.utils.crypto import get_random_string

# As Django makes them; twelve digits are rather a date and a time.
HASHED_NAME = re.compile(r"\.(?!\d{12})[0-9a-f]{12}(\.[^./]+)?$")


class ManifestFolder(FileSystemStorage):
    """A folder whose files are replaced whole: no reader finds one missing or cut short."""

    def delete(self, name: str) -> None:
        """Do nothing: Django deletes the old manifest before it saves the new one."""

    def _save(self, name: str, content: "File[bytes]") -> str:
        target = self.path(name)
        temporary = f"{target}.{get_random_string(12)}"
        os.makedirs(self.location, exist_ok=True)
        try:
            with open(temporary, "xb") as file:
                file.write(content.read())
                file.flush()
                os.fsync(file.fileno())
            if self.file_permissions_mode is not None:  # None: what the umask leaves.
                os.chmod(temporary, self.file_permissions_mode)
            if os.path.isdir(target) and not os.path.islink(target):
                _remove_empty_folder(target)
            os.replace(temporary, target)
        finally:
            Path(temporary).unlink(missing_ok=True)
        return name


def _remove_empty_folder(path: str) -> None:
    """Remove what Docker leaves when it mounts a file that is not there."""
    try:
        os.rmdir(path)
    except OSError as exc:
        raise IsADirectoryError(
            f"The static files manifest cannot be written: {path!r} is a folder ({exc.strerror}). "
            "Move it away, then run collectstatic again."
        ) from exc


class RootManifestMixin(ManifestFilesMixin):
    """Keeps the manifest in ``settings.STATICFILES_MANIFEST_ROOT``, by default ``BASE_DIR``.

    A missing or corrupt manifest is ``ImproperlyConfigured``, raised when a name is asked for: not
    before, as ``collectstatic`` has to start, and no ``ValueError``, which WhiteNoise would swallow.
    So a server on WhiteNoise that has assets and no manifest refuses to start.
    """

    manifest_storage: Storage
    manifest_error = ""
    _collecting = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        root = getattr(settings, "STATICFILES_MANIFEST_ROOT", None) or ""
        kwargs.setdefault("manifest_storage", ManifestFolder(Path(settings.BASE_DIR, root)))
        super().__init__(*args, **kwargs)
        static_root = getattr(self, "location", None)  # On S3 a prefix, which is never absolute.
        if static_root and Path(self.manifest_path).is_relative_to(static_root):
            raise ImproperlyConfigured(
                f"The static files manifest {self.manifest_path!r} would be in STATIC_ROOT, which is "
                "public and which collectstatic may clear: choose another STATIC_ROOT."
            )

    @property
    def manifest_path(self) -> str:
        """The full path of ``staticfiles.json``."""
        return self.manifest_storage.path(self.manifest_name)

    def read_manifest(self) -> Any:
        content: str | None = super().read_manifest()
        if content is None:
            self._note_error("is missing")
        return content

    def load_manifest(self) -> Any:
        self.manifest_error = ""
        try:
            manifest: Any = super().load_manifest()
            if not set(map(type, manifest[0].values())) <= {str}:
                raise TypeError("a name that is not a string")
        except Exception as exc:  # Django foresees bad JSON, not all that a merge can leave.
            self._note_error(f"cannot be read ({type(exc).__name__}: {exc})")
            return {}, ""
        return manifest

    def _note_error(self, what: str) -> None:
        path = self.manifest_path
        self.manifest_error = f"The static files manifest {path!r} {what}: run collectstatic."

    def stored_name(self, name: str) -> str:
        if self.manifest_error:
            raise ImproperlyConfigured(self.manifest_error)
        return super().stored_name(name)

    def post_process(self, *args: Any, **kwargs: Any) -> Iterator[Any]:
        """Save the manifest last: WhiteNoise compresses after Django has saved, and may fail."""
        self._collecting = True
        try:
            yield from super().post_process(*args, **kwargs)
        finally:
            self._collecting = False
        if not kwargs.get("dry_run"):
            self.save_manifest()

    def save_manifest(self) -> None:
        if not self._collecting:
            super().save_manifest()
            self.manifest_error = ""

    def delete(self, name: str) -> None:
        """Keep a hashed file while it is collected anew: another release may be serving it."""
        storage: Any = super()
        if not self._collecting:
            storage.delete(name)


class _LocalMixin(RootManifestMixin):
    path: Callable[[str], str]

    def _save(self, name: str, content: "File[bytes]") -> Any:
        storage: Any = super()
        if not self._collecting:
            return storage._save(name, content)
        temporary = f"{name}.{get_random_string(12)}"
        try:
            storage._save(temporary, content)
            os.replace(self.path(temporary), self.path(name))
        finally:
            Path(self.path(temporary)).unlink(missing_ok=True)
        return name


class RootManifestStaticFilesStorage(_LocalMixin, ManifestStaticFilesStorage):  # type: ignore[misc] # as Django mixes its own
    """Local files, for a web server to serve."""
