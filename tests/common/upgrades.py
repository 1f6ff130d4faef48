"""Simulated upgrades: changes of Django, WhiteNoise and django-storages that would break ``common``.

Each change is one that a release may make: it renames a name that is not public, or changes what
the name does. The packages themselves work as before, which ``stock.py`` shows.
``tests/bakes/test_upgrades.py`` applies one change at a time and runs the tests that a bake ships.
"""

import re
from functools import cache
from pathlib import Path

# The files, as a pattern below site-packages; a regular expression; its replacement.
Edit = tuple[str, str, str]


def renamed(old: str, new: str, *files: str) -> tuple[Edit, ...]:
    """Return the edits that rename ``old`` in ``files``, where whole words match."""
    return tuple((pattern, rf"(?<!\w){re.escape(old)}(?!\w)", new) for pattern in files)


DISPATCHER = "django/dispatch/dispatcher.py"
EVERYWHERE = "django/**/*.py"
FILES = "django/core/files/storage/*.py"
HANDLER = "django/core/handlers/base.py"
SESSIONS = "django/contrib/sessions/backends/*.py"
STATIC_FILES = "django/contrib/staticfiles/storage.py"
WHITENOISE = "whitenoise/*.py"
S3 = "storages/backends/s3.py"

SIGNALS_CHANGES = {
    "Signal.receivers is renamed": renamed("self.receivers", "self._receivers", DISPATCHER),
    "Signal.lock is renamed": renamed("self.lock", "self._lock", DISPATCHER),
    "Signal.sender_receivers_cache is renamed": renamed(
        "sender_receivers_cache", "_receivers_by_sender", DISPATCHER
    ),
    "the lookup key is the last part of an entry of a signal": (
        (DISPATCHER, r"for r_key(, _)+ in", "for *_, r_key in"),
        (DISPATCHER, r"lookup_key, (receiver,.*) is_async\)", r"is_async, \1 lookup_key)"),
        (DISPATCHER, r"r_key, \*_ = ", "*_, r_key = "),
        (
            DISPATCHER,
            r"(\(_receiverkey, r_senderkey\)),(\s+receiver,\s+(?:sender_ref,\s+)?)is_async",
            r"is_async,\2\1",
        ),
    ),
    "has_listeners() is true as soon as a signal has any receiver": (
        (
            DISPATCHER,
            r"return bool\(sync_receivers\) or bool\(async_receivers\)",
            "return bool(self.receivers)",
        ),
    ),
    "deletion asks for any receivers instead of has_listeners()": (
        (
            "django/db/models/deletion.py",
            r"(?s)(def _has_signal_listeners\(self, model\):\n).*?(?=\n\n)",
            r"\1        return bool(signals.pre_delete.receivers or signals.post_delete.receivers)",
        ),
    ),
    "override_settings sends another signal than setting_changed": (
        *renamed("setting_changed", "setting_overridden", EVERYWHERE),
        ("django/core/signals.py", r"\Z", "\nsetting_changed = Signal()\n"),
    ),
    "Apps.lazy_model_operation is renamed": renamed(
        "lazy_model_operation", "call_with_models", EVERYWHERE
    ),
    "make_model_tuple is renamed": renamed("make_model_tuple", "split_model_name", EVERYWHERE),
    "Options.default_apps is renamed": renamed("default_apps", "default_registry", EVERYWHERE),
}

STATIC_FILES_CHANGES = {
    "load_manifest is renamed": renamed("load_manifest", "_load_manifest", STATIC_FILES),
    "load_manifest returns a third value": (
        (STATIC_FILES, r'return \{\}, ""', 'return {}, "", None'),
        (STATIC_FILES, r"(return stored\.get.*)", r"\1, version"),
        (STATIC_FILES, r"(?<=self\.manifest_hash)(?= = self\.load)", ", self.manifest_read"),
    ),
    "save_manifest is renamed": renamed("save_manifest", "_save_manifest", STATIC_FILES),
    "stored_name is renamed": renamed("stored_name", "name_in_manifest", STATIC_FILES),
    "hashed_files is renamed": renamed("self.hashed_files", "self._hashed_files", STATIC_FILES),
    "the argument manifest_storage is renamed": renamed(
        "manifest_storage", "manifest_backend", STATIC_FILES
    ),
    "FileSystemStorage._save is renamed": renamed("_save", "_write", FILES, STATIC_FILES),
    "FileSystemStorage._save refuses absolute names": (
        (
            "django/core/files/storage/filesystem.py",
            r"(?<=def _save\(self, name, content\):\n)",
            "        if os.path.isabs(name):\n            raise ValueError(name)\n",
        ),
    ),
    "WhiteNoise.files is renamed": renamed("self.files", "self._files", WHITENOISE),
    "WhiteNoise.directories is renamed": renamed("directories", "roots", WHITENOISE),
    "WhiteNoise.find_file is renamed": renamed("find_file", "_find_file", WHITENOISE),
    "WhiteNoise.update_files_dictionary is renamed": renamed(
        "update_files_dictionary", "scan", WHITENOISE
    ),
    "create_compressor of WhiteNoise is renamed": renamed(
        "create_compressor", "get_compressor", WHITENOISE
    ),
    "write_data of WhiteNoise is renamed": renamed("write_data", "_write_data", WHITENOISE),
}

S3_CHANGES = {
    "unsigned_connection of django-storages is renamed": renamed(
        "unsigned_connection", "anonymous_connection", S3
    ),
    "_normalize_name of django-storages is renamed": renamed("_normalize_name", "_key_of", S3),
}

SESSIONS_CHANGES = {
    "SessionBase._session_cache is renamed": renamed("_session_cache", "_data", SESSIONS),
    "SessionBase._session_key is renamed": renamed("_session_key", "_key", SESSIONS),
    "the key _session_expiry is renamed": renamed("_session_expiry", "_expiry", SESSIONS),
    "key_salt depends on the module": (
        (SESSIONS, r'"django\.contrib\.sessions\." \+', 'self.__class__.__module__ + "." +'),
    ),
    "SessionBase.serializer is an object and no class": (
        (SESSIONS, r"import_string\(settings\.SESSION_SERIALIZER\)", r"\g<0>()"),
        (SESSIONS, r"serializer=self\.serializer", "serializer=lambda: self.serializer"),
    ),
    "cached_db.SessionStore.cache_key is renamed": renamed("cache_key", "_cache_key", SESSIONS),
}

TESTING_CHANGES = {
    "BaseHandler.load_middleware is renamed": renamed("load_middleware", "load", EVERYWHERE),
    "BaseHandler.resolve_request is renamed": renamed("resolve_request", "resolve", HANDLER),
    "BaseHandler.make_view_atomic is renamed": renamed("make_view_atomic", "in_atomic", HANDLER),
    "BaseHandler._middleware_chain is renamed": renamed("_middleware_chain", "_chain", EVERYWHERE),
    "the handler imports import_string by another name": (
        *renamed("import_string", "import_object", HANDLER),
        (HANDLER, r"import import_object", "import import_string as import_object"),
    ),
    "the handler sets an attribute of a request in async mode": (
        (
            HANDLER,
            r"(?s)(async def _get_response_async.*?)(        response = None\n)",
            r"\1\2        request.is_async = True\n",
        ),
    ),
    "URLResolver.resolve_error_handler is renamed": renamed(
        "resolve_error_handler", "error_handler", EVERYWHERE
    ),
    "Atomic._from_testcase is renamed": renamed("_from_testcase", "_is_of_test", EVERYWHERE),
    "connection.atomic_blocks is renamed": renamed("atomic_blocks", "_atomics", EVERYWHERE),
    "connection.needs_rollback is renamed": renamed("needs_rollback", "_is_broken", EVERYWHERE),
    "connection.set_rollback is renamed": (
        ("django/db/backends/base/base.py", "def set_rollback", "def _set_rollback"),
        ("django/db/transaction.py", r"(?<=\)\.)set_rollback", "_set_rollback"),
    ),
    "connection.check_constraints is renamed": renamed("check_constraints", "validate", EVERYWHERE),
    "get_constraints is renamed": renamed("get_constraints", "constraints_of", EVERYWHERE),
    "Field.db_check is renamed": renamed("db_check", "_check_sql", EVERYWHERE),
    "SQLite reports a bad foreign key in other words": (
        ("django/db/backends/sqlite3/base.py", r'"invalid foreign key: ', '"invalid reference: '),
    ),
    "a broken transaction is reported in other words": (
        (
            "django/db/backends/base/base.py",
            "An error occurred in the current transaction",
            "The current transaction is broken",
        ),
    ),
    "an IntegrityError has no __cause__": (
        ("django/db/utils.py", r"(with_traceback\(traceback\) from) exc_value", r"\1 None"),
    ),
}

LOGS_CHANGES = {
    "the user of a request is another lazy object": (
        ("django/contrib/auth/middleware.py", r"SimpleLazyObject\(", "LazyUser("),
        ("django/contrib/auth/middleware.py", "import SimpleLazyObject", "import LazyUser"),
        (
            "django/utils/functional.py",
            r"(?s)class SimpleLazyObject(.*?)\n\n\n",
            r"\g<0>class LazyUser\1\n\n\n",
        ),
    ),
    "SESSION_KEY of auth is renamed": renamed(
        "SESSION_KEY", "_SESSION_KEY", "django/contrib/auth/*.py"
    ),
}

OPERATIONS_CHANGES = {
    "MigrationExecutor.migration_plan is renamed": renamed("migration_plan", "plan_to", EVERYWHERE),
    "MigrationExecutor.loader is renamed": renamed(
        "executor.loader", "executor._loader", EVERYWHERE
    )
    + renamed("self.loader", "self._loader", "django/db/migrations/executor.py"),
    "MigrationGraph.leaf_nodes is renamed": renamed("leaf_nodes", "leaves", EVERYWHERE),
}

# The changes that can break a bake, by its answer for static files.
CHANGES: dict[str, dict[str, tuple[Edit, ...]]] = {
    "whitenoise": {
        **SIGNALS_CHANGES,
        **STATIC_FILES_CHANGES,
        **SESSIONS_CHANGES,
        **TESTING_CHANGES,
        **LOGS_CHANGES,
        **OPERATIONS_CHANGES,
    },
    "s3": S3_CHANGES,
}


@cache
def texts_of(site_packages: Path, pattern: str) -> dict[str, str]:
    """Return the name and the text of each file that ``pattern`` matches, read only once."""
    paths = site_packages.glob(pattern)
    return {str(path.relative_to(site_packages)): path.read_text() for path in paths}


def changed_files(edits: tuple[Edit, ...], site_packages: Path) -> dict[str, str]:
    """Return the name below ``site_packages`` and the new text of each file that ``edits`` change.

    Raise AssertionError if an edit changes nothing, because its text is not there any more.
    """
    changed: dict[str, str] = {}
    for pattern, old, new in edits:
        texts = texts_of(site_packages, pattern).items()
        texts_by_now = {name: changed.get(name, text) for name, text in texts}
        matching = {name: text for name, text in texts_by_now.items() if re.search(old, text)}
        assert matching, f"No file {pattern} has {old!r}: adapt this change to the new release."
        changed |= {name: re.sub(old, new, text) for name, text in matching.items()}
    return changed
