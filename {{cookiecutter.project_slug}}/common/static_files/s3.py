"""Static files in an S3 bucket."""

from typing import Any, cast

from django.core.files import File
from storages.backends.s3 import S3StaticStorage

from common.static_files.manifest import HASHED_NAME, RootManifestMixin


class _S3Mixin(RootManifestMixin):
    """Files in an S3 bucket, under unsigned URLs; browsers may keep a hashed name for ever."""

    def post_process(self, *args: Any, **kwargs: Any) -> Iterator[Any]:
        self._there: set[str] = set()
        return super().post_process(*args, **kwargs)

    def exists(self, name: str) -> Any:
        storage: Any = super()
        if not self._collecting:
            return storage.exists(name)
        if name not in self._there and storage.exists(name):
            self._there.add(name)
        return name in self._there

    def _save(self, name: str, content: "File[bytes]") -> Any:
        """Upload a hashed file once only: its name says what is in it."""
        storage: Any = super()
        if not self._collecting:
            return storage._save(name, content)
        if not self.exists(name):
            storage._save(name, content)
            self._there.add(name)
        return name

    def get_object_parameters(self, name: str) -> dict[str, Any]:
        storage: Any = super()
        parameters: dict[str, Any] = storage.get_object_parameters(name)
        if HASHED_NAME.search(name):
            parameters.setdefault("CacheControl", "max-age=31536000, public, immutable")
        return parameters


class _UnsignedUrls:
    """Comes after Django's mixins: they add the hash, this makes the URL."""

    def url(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """Unlike django-storages, look for no credentials, of which a site that serves needs none."""
        storage: Any = self
        if storage.custom_domain:
            return cast(Any, super()).url(name, *args, **kwargs)
        client = storage.unsigned_connection.meta.client
        where = {"Bucket": storage.bucket_name, "Key": storage._normalize_name(name)}
        return client.generate_presigned_url("get_object", Params=where)


class RootManifestS3Storage(_S3Mixin, _UnsignedUrls, S3StaticStorage):
    pass
