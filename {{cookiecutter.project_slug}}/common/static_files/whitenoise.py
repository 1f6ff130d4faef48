"""Hashed static files that WhiteNoise compresses and serves, with the manifest in the project root.

Releases may share STATIC_ROOT. Put ``"common.static_files.whitenoise.WhiteNoiseMiddleware"`` into
``MIDDLEWARE``, and ``{"BACKEND": "common.static_files.whitenoise.RootManifestWhiteNoiseStorage"}``
into ``STORAGES["staticfiles"]``.
"""

import os
from contextlib import suppress
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from whitenoise import middleware
from whitenoise.compress import Compressor
from whitenoise.storage import CompressedManifestStaticFilesStorage

from common.static_files.manifest import AtomicFileSystemStorage, RootManifestMixin, replacing


class WhiteNoiseMiddleware(middleware.WhiteNoiseMiddleware):  # type: ignore[misc] # WhiteNoise has no types
    """Serves also the files that were collected after the server started.

    While servers are replaced, a browser may get a page from a new server and its stylesheet from
    an old one. WhiteNoise only knows the files that it found when it started.
    """

    def update_files_dictionary(self, root: str, prefix: str) -> None:
        self.directories.append((root, prefix))  # so that find_file() looks there, too
        with suppress(FileNotFoundError):  # A file vanished: another release is collecting.
            super().update_files_dictionary(root, prefix)

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        url = request.path_info
        if url not in self.files and (file := self.find_file(url)):
            self.files[url] = file
        response: HttpResponseBase = super().__call__(request)
        return response


class AtomicCompressor(Compressor):  # type: ignore[misc] # WhiteNoise has no types
    """Replaces compressed files in one step: a server of another release may be sending them."""

    def write_data(self, path: str, data: bytes, suffix: str, stat_result: os.stat_result) -> str:
        with replacing(path + suffix) as temporary:
            super().write_data(temporary, data, "", stat_result)
        return path + suffix


class RootManifestWhiteNoiseStorage(  # type: ignore[misc] # Django mixes so
    RootManifestMixin,
    AtomicFileSystemStorage,
    CompressedManifestStaticFilesStorage,  # type: ignore[misc] # WhiteNoise has no types
):
    """Local files and their compressed versions, served by WhiteNoise."""

    def create_compressor(self, **kwargs: Any) -> Compressor:
        return AtomicCompressor(**kwargs)
