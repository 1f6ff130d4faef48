"""How to expect an IntegrityError, and the hint that a test gets if it swallows one."""

from contextlib import suppress

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.contrib.contenttypes.models import ContentType
from django.db import IntegrityError, transaction

from common.testing import TestCase, raises_integrity_error
from common.testing.plugin import HINT, pytest_runtest_makereport


class AssertIntegrityErrorTests(TestCase):
    @classmethod
    def setUpTestData(cls):
        cls.editors = Group.objects.create(name="editors")

    def test_after_the_block_queries_work_and_its_rows_are_gone(self):
        with self.assertIntegrityError() as caught:
            Group.objects.create(name="authors")
            Group.objects.create(name="editors")

        assert isinstance(caught.exception, IntegrityError)
        assert Group.objects.get() == self.editors

    def test_a_repeated_value_violates_a_unique_field(self):
        self.assertIntegrityError(Group.objects.create, name="editors", fields=["name"])

    def test_both_databases_tell_the_name_of_a_unique_constraint(self):
        with self.assertIntegrityError(
            constraint="django_content_type_app_label_model_76bd3d3b_uniq",
            fields=["app_label", "model"],
        ):
            ContentType.objects.create(app_label="shelves", model="shelf")
            ContentType.objects.create(app_label="shelves", model="shelf")

    def test_a_negative_number_violates_the_check_of_a_positive_field(self):
        with self.assertIntegrityError(fields=["action_flag"]):
            LogEntry.objects.create(action_flag=-1, user_id=0)

    def test_a_deferred_foreign_key_is_checked_in_the_block(self):
        with self.assertIntegrityError(fields=["user"]):
            LogEntry.objects.create(action_flag=1, user_id=0)

    def test_null_violates_a_field_that_is_not_null(self):
        self.assertIntegrityError(Group.objects.create, name=None, fields=["name"])

    def test_a_durable_block_works_inside(self):
        with self.assertIntegrityError(fields=["name"]), transaction.atomic(durable=True):
            Group.objects.create(name="editors")

    async def test_async_code_is_tested_with_async_with(self):
        async with self.assertIntegrityError(fields=["name"]):
            await Group.objects.acreate(name="editors")

        assert await Group.objects.acount() == 1

    def test_without_an_error_it_fails(self):
        with pytest.raises(AssertionError, match="IntegrityError not raised"):
            self.assertIntegrityError(Group.objects.create, name="authors")

    def test_other_fields_fail_with_the_violated_ones(self):
        with pytest.raises(AssertionError, match=r"Violated: .*fields=\['name'\]"):
            self.assertIntegrityError(Group.objects.create, name="editors", fields=["id"])

    def test_a_constraint_fails_if_another_one_or_none_is_told(self):
        with pytest.raises(AssertionError, match="constraint='group_name'"):
            self.assertIntegrityError(Group.objects.create, name="editors", constraint="group_name")


@pytest.mark.django_db
def test_a_pytest_function_uses_raises_integrity_error():
    with raises_integrity_error(fields=["name"]):
        Group.objects.create(name=None)
    assert not Group.objects.exists()


@pytest.mark.django_db
def test_a_query_after_a_swallowed_error_fails_with_a_hint():
    def query_after_a_swallowed_error():
        with suppress(IntegrityError):
            Group.objects.create(name=None)
        Group.objects.count()

    call = pytest.CallInfo.from_call(query_after_a_swallowed_error, when="call")
    pytest_runtest_makereport(call)
    assert call.excinfo.value.__notes__ == [HINT]
