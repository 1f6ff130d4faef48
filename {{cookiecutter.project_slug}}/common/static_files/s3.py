"""Static files under hashed names in an S3 bucket, with the manifest in the project root.

Only ``collectstatic`` contacts the bucket or looks for credentials. The URLs are unsigned: let
everybody read the bucket, or a CDN in front of it. In ``STORAGES["staticfiles"]``:
``{"BACKEND": "common.static_files.s3.RootManifestS3Storage", "OPTIONS": {"bucket_name": …}}``.
"""

from collections.abc import Iterator
from typing import Any

from storages.backends.s3 import S3StaticStorage  # type: ignore[import-untyped] # it has no types

from common.static_files.manifest import RootManifestMixin


class UnsignedS3Storage(S3StaticStorage):  # type: ignore[misc] # django-storages has no types
    def url(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """Return an unsigned URL without a search for credentials.

        The method of django-storages searches for them even for an unsigned URL, at last on
        Amazon's own network. The client below has none, so it adds no signature.
        """
        if self.custom_domain:
            return super().url(name, *args, **kwargs)
        params = {"Bucket": self.bucket_name, "Key": self._normalize_name(name)}
        client = self.unsigned_connection.meta.client
        return client.generate_presigned_url("get_object", Params=params)


class RootManifestS3Storage(RootManifestMixin, UnsignedS3Storage):  # type: ignore[misc] # Django mixes so
    """Files in an S3 bucket. Browsers may keep those under hashed names for a year."""

    def post_process(self, *args: Any, **kwargs: Any) -> Iterator[Any]:
        self._found: set[str] = set()
        return super().post_process(*args, **kwargs)

    def exists(self, name: str) -> bool:
        """Ask the bucket only once about each file that it has: Django asks in each pass."""
        if self._made is None:
            return super().exists(name)
        if name not in self._found and super().exists(name):
            self._found.add(name)
        return name in self._found

    def get_object_parameters(self, name: str) -> dict[str, Any]:
        parameters: dict[str, Any] = super().get_object_parameters(name)
        if self._made is not None:  # Then every file that is saved has a hashed name.
            parameters.setdefault("CacheControl", "max-age=31536000, public, immutable")
        return parameters
