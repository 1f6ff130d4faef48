"""WhiteNoise for releases that share STATIC_ROOT: ``MIDDLEWARE = ["common.static_files.whitenoise.WhiteNoiseMiddleware", …]``.

While servers are replaced in batches, a page may come from a new one and its stylesheet be asked of an
old one, which was started before that stylesheet was collected. WhiteNoise knows the files that there
were when it started; this one also looks for hashed names that it does not know.
"""

import os
from pathlib import Path
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.crypto import get_random_string
from whitenoise import middleware
from whitenoise.compress import Compressor
from whitenoise.storage import CompressedManifestStaticFilesStorage

from common.static_files.manifest import HASHED_NAME, _LocalMixin


class WhiteNoiseMiddleware(middleware.WhiteNoiseMiddleware):  # type: ignore[misc] # WhiteNoise has no types
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.static_root and not self.autorefresh:  # Or it looks for every file already.
            root = os.path.join(os.path.abspath(self.static_root), "")
            self.directories.append((root, self.static_prefix))

    def update_files_dictionary(self, root: str, prefix: str) -> None:
        """Look again when a file goes away meanwhile: another release may be collecting."""
        for _ in range(10):
            try:
                return super().update_files_dictionary(root, prefix)  # type: ignore[no-any-return] # untyped
            except FileNotFoundError as exc:
                error = exc
        raise error

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        url = request.path_info
        if (
            url not in self.files
            and not self.autorefresh
            and self.is_hashed(url)
            and (found := self.find_file(url))
        ):
            self.files[url] = found
        response: HttpResponseBase = super().__call__(request)
        return response

    def is_hashed(self, url: str) -> bool:
        return url.startswith(self.static_prefix) and bool(HASHED_NAME.search(url))

    def immutable_file_test(self, path: str, url: str) -> bool:
        """Say of any release's hashed name that it may be kept, not just of those in our manifest."""
        return super().immutable_file_test(path, url) or self.is_hashed(url)


class _Compressor(Compressor):  # type: ignore[misc] # WhiteNoise has no types
    def write_data(self, path: str, data: bytes, suffix: str, stat_result: os.stat_result) -> str:
        temporary = f".{get_random_string(12)}{suffix}"
        try:
            super().write_data(path, data, temporary, stat_result)
            os.replace(path + temporary, path + suffix)
        finally:
            Path(path + temporary).unlink(missing_ok=True)
        return path + suffix


class RootManifestWhiteNoiseStorage(_LocalMixin, CompressedManifestStaticFilesStorage):  # type: ignore[misc] # WhiteNoise has no types
    """Local files and their compressed versions, served by WhiteNoise."""

    def create_compressor(self, **kwargs: Any) -> Compressor:
        return _Compressor(**kwargs)
