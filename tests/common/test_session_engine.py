"""What the session engine writes, and what it leaves as others have saved it."""

from datetime import date, timedelta
from importlib import import_module

from django.db import OperationalError, connection
from django.test import override_settings

from common.sessions import UpdateError, edit_session, session_store
from common_tests.session_helpers import SessionTestCase, refuse_updates

# The linter bans this module, and common.sessions does not have this exception.
CreateError = import_module("django.contrib.sessions.backends.base").CreateError


class MergeTests(SessionTestCase):
    def test_a_save_writes_only_what_was_changed(self):
        one, two = self.loaded(), self.loaded()
        one["a"], two["b"], two["c"] = "one", "two", "two"
        two.save()
        one.save()
        assert self.row() == {"a": "one", "b": "two", "c": "two"}

    def test_a_store_has_what_others_saved_once_it_is_saved(self):
        one, two = self.loaded(), self.loaded()
        one["a"], two["b"] = "one", "two"
        two.save()
        one.save()
        assert dict(one.items()) == {"a": "one", "b": "two"}

    def test_a_change_inside_of_a_value_counts(self):
        self.key = self.make(cart={"lines": [1]}, a=1)
        one, two = self.loaded(), self.loaded()
        one["cart"]["lines"].append(2)
        two["a"] = 2
        one.save()
        two.save()
        assert self.row() == {"cart": {"lines": [1, 2]}, "a": 2}

    def test_a_change_inside_of_a_value_that_was_read_before_a_save_counts_after_it(self):
        self.key = self.make(cart={"lines": [1]}, a=1)
        store = self.loaded()
        cart = store["cart"]
        store["a"] = 2
        store.save()
        cart["lines"].append(2)
        store.save()
        assert self.row() == {"cart": {"lines": [1, 2]}, "a": 2}

    def test_values_that_are_equal_in_python_but_not_when_stored_are_a_change(self):
        store = self.loaded()
        store["a"] = True
        self.change_row(a=5, b=5)
        store.save()
        assert self.row()["a"] is True
        assert self.row()["b"] == 5

    def test_a_key_that_either_deleted_stays_deleted(self):
        one, two = self.loaded(), self.loaded()
        del one["a"], two["b"]
        one.save()
        two["c"] = 3
        two.save()
        assert self.row() == {"c": 3}

    def test_the_later_save_wins_for_a_key_that_both_changed(self):
        one, two, three = self.loaded(), self.loaded(), self.loaded()
        one["a"], two["a"], one["b"] = "one", "two", "one"
        two.save()
        one.save()
        assert self.row() == {"a": "one", "b": "one"}
        del three["a"], three["b"]
        three.save()
        assert self.row() == {}
        two["a"] = "later"
        two.save()
        assert self.row() == {"a": "later"}

    def test_clear_replaces_the_row_and_later_saves_merge_again(self):
        one, two = self.loaded(), self.loaded()
        two["c"] = 3
        two.save()
        one.clear()
        one["d"] = 4
        one.save()
        assert self.row() == {"d": 4}
        two["e"] = 5
        two.save()
        one["f"] = 6
        one.save()
        assert self.row() == {"d": 4, "e": 5, "f": 6}

    def test_cycle_key_keeps_what_the_request_loaded_and_later_saves_merge(self):
        one, other = self.loaded(), self.loaded()
        other["b"] = "lost"
        other.save()
        old, one["a"] = self.key, "one"
        one.cycle_key()
        assert not session_store().exists(old)
        self.key = one.session_key
        assert self.row() == {"a": "one", "b": 2}
        two = self.loaded()
        two["a"] = "two"
        two.save()
        one["b"] = "one"
        one.save()
        assert self.row() == {"a": "two", "b": "one"}

    def test_flush_ends_the_session_and_the_next_save_begins_another(self):
        store = self.loaded()
        store.flush()
        assert (self.row(), store.session_key) == (None, None)
        store["c"] = 3
        store.save()
        assert store.session_key not in (None, self.key)
        self.key = store.session_key
        assert self.row() == {"c": 3}

    def test_a_session_that_was_deleted_meanwhile_is_not_made_again(self):
        store = self.loaded()
        self.rows().delete()
        store["a"] = 3
        with self.assertRaises(UpdateError):
            store.save()
        assert not self.model.objects.exists()

    def test_the_expiry_is_merged_as_well(self):
        one, two = self.loaded(), self.loaded()
        one.set_expiry(timedelta(hours=1))
        one.save()
        two["a"] = 3
        two.save()
        assert self.expire_date() == one.get_expiry_date()

    def test_a_change_is_written_by_one_save_only(self):
        store = self.loaded()
        store["a"] = 3
        store.save()
        self.change_row(a="job", b=2)
        store["b"] = 4
        store.save()
        assert self.row() == {"a": "job", "b": 4}

    def test_a_save_that_failed_can_be_repeated(self):
        store = self.loaded()
        store["a"], store["c"] = 3, object()
        with self.assertRaises(TypeError):
            store.save()
        del store["c"]
        self.change_row(a=1, b="job")
        with connection.execute_wrapper(refuse_updates), self.assertRaises(OperationalError):
            store.save()
        assert dict(store.items()) == {"a": 3, "b": 2}
        store.save()
        assert self.row() == {"a": 3, "b": "job"}

    def test_a_save_before_any_read_changes_nothing(self):
        session_store(self.key).save()
        assert self.row() == {"a": 1, "b": 2}

    def test_a_call_of_load_does_not_hide_what_others_have_added(self):
        store = self.loaded()
        with edit_session(self.key) as session:
            session["c"] = "job"
        assert store.load()["c"] == "job"
        store["a"] = 3
        store.save()
        assert self.row() == {"a": 3, "b": 2, "c": "job"}

    def test_a_new_session_does_not_take_a_key_that_is_in_use(self):
        store = session_store()
        store["a"], store._session_key = "mine", self.key
        with self.assertRaises(CreateError):
            store.save(must_create=True)
        store._get_new_session_key = iter([self.key, "k" * 32]).__next__
        store.create()
        assert (store.session_key, self.row()) == ("k" * 32, {"a": 1, "b": 2})

    def test_data_of_another_serializer_are_merged(self):
        with override_settings(SESSION_SERIALIZER="common_tests.session_helpers.DateSerializer"):
            one, two = self.loaded(), self.loaded()
            one["a"], two["b"] = date(2000, 1, 1), date(2000, 1, 2)
            one.save()
            two.save()
            assert self.row() == {"a": "2000-01-01", "b": "2000-01-02"}
