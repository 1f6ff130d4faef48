"""Builds: production without its secrets and servers, for CI and the image.

``collectstatic`` puts the assets into ``staticfiles``, and the manifest of their names beside manage.py.
"""

import os
import secrets

# Required in production; a build reaches nothing that they name. A server that is started with
# these settings by mistake has at least no known key.
os.environ |= {
    "SECRET_KEY": secrets.token_urlsafe(64),
    "ALLOWED_HOSTS": "localhost",
    "DATABASE_URL": "sqlite://:memory:",
    "CACHE_URL": "redis://none",
    # jinja: if cookiecutter.static_files == "s3"
    "AWS_STORAGE_BUCKET_NAME": "none",
    # jinja: endif
}

from config.settings.production import *

# jinja: if cookiecutter.static_files == "s3"
# Not into the bucket: whoever deploys the release uploads its assets.
STORAGES = {
    **STORAGES,
    "staticfiles": {"BACKEND": "common.static_files.manifest.RootManifestStaticFilesStorage"},
}

# jinja: endif
STATIC_ROOT = BASE_DIR / "staticfiles"
# Here the sources of assets must be there.
SILENCED_SYSTEM_CHECKS = [check for check in SILENCED_SYSTEM_CHECKS if check != "staticfiles.W004"]
