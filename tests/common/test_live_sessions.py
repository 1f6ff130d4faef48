from datetime import timedelta

import pytest
from django.core.cache import cache
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from common.sessions import edit_session, live_sessions, session_store
from common.testing import TestCase
from common_tests.session_helpers import BACKENDS, PREFIX, engine


def make_session(**data):
    session = session_store()
    session.update(data)
    session.create()
    return session


class LiveSessionsTests(TestCase):
    def test_each_session_is_yielded_once_with_its_data_for_any_batch_size(self):
        expected = {
            make_session(number=number).session_key: {"number": number} for number in range(5)
        }
        for batch_size in (1, 2, 5, 6):
            found = [*live_sessions(batch_size)]
            assert dict(found) == expected
            assert len(found) == 5

    def test_an_expired_session_is_not_yielded(self):
        session = make_session()
        session_store().model.objects.update(expire_date=timezone.now() - timedelta(seconds=1))
        assert session.exists(session.session_key)
        assert [*live_sessions()] == []

    def test_a_batch_takes_one_query(self):
        for _ in range(4):
            make_session()
        with self.assertNumQueries(3):  # two batches and the empty one after them
            assert len([*live_sessions(2)]) == 4

    def test_sessions_may_be_edited_and_deleted_while_they_are_yielded(self):
        for _ in range(3):
            make_session()
        keys = []
        for session_key, _ in live_sessions(1):
            keys.append(session_key)
            with edit_session(session_key) as session:
                session["seen"] = True
            if len(keys) == 2:
                session_store(session_key).delete()
        assert len({*keys}) == 3
        assert [data for _, data in live_sessions()] == [{"seen": True}] * 2

    def test_the_data_are_those_of_the_row_and_not_of_a_cached_copy(self):
        with engine("cached_db"):
            session = make_session(a=1)
            cache.set(PREFIX + session.session_key, {"a": 2})
            assert [*live_sessions()] == [(session.session_key, {"a": 1})]

    def test_an_engine_without_rows_is_refused(self):
        for name in ("cache", "file", "signed_cookies"):
            with engine(name), pytest.raises(ImproperlyConfigured, match=BACKENDS + name):
                next(live_sessions())

    def test_django_s_engines_with_rows_are_supported(self):
        for name in ("db", "cached_db"):
            with engine(name):
                session = make_session(engine=name)
                assert (session.session_key, {"engine": name}) in [*live_sessions()]
