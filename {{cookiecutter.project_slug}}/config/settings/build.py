"""Builds in CI and for the image: production settings that need no secrets and no servers.

``collectstatic`` writes the assets to ``staticfiles`` and the manifest of their names beside manage.py.
"""

import os
import secrets

# Production requires these variables. A build contacts none of the servers. The key is random, so a
# server that starts with these settings by mistake has no known key.
os.environ |= {
    "SECRET_KEY": secrets.token_urlsafe(64),
    "ALLOWED_HOSTS": "localhost",
    "DATABASE_URL": "sqlite://:memory:",
    # jinja: if cookiecutter.static_files == "s3"
    "AWS_STORAGE_BUCKET_NAME": "none",
    # jinja: endif
}

from config.settings.production import *

# jinja: if cookiecutter.static_files == "s3"
# A build uploads nothing to the bucket: the deployment does.
STORAGES = {
    **STORAGES,
    "staticfiles": {"BACKEND": "common.static_files.manifest.RootManifestStaticFilesStorage"},
}

# jinja: endif
STATIC_ROOT = BASE_DIR / "staticfiles"
# A build has the sources of the assets, so report a missing folder of them (W004).
SILENCED_SYSTEM_CHECKS = [check for check in SILENCED_SYSTEM_CHECKS if check != "staticfiles.W004"]
