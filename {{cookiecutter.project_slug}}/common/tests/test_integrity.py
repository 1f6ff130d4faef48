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
        with self.assertIntegrityError() as caught, transaction.atomic(durable=True):
            Group.objects.create(name="authors")
            Group.objects.create(name="editors")

        assert isinstance(caught.exception, IntegrityError)
        assert Group.objects.get() == self.editors

    async def test_async_code_is_tested_with_async_with(self):
        async with self.assertIntegrityError(fields=["name"]):
            await Group.objects.acreate(name="editors")

    def test_fields_are_those_of_the_violated_constraint(self):
        log = LogEntry.objects.create
        self.assertIntegrityError(Group.objects.create, name=None, fields=["name"])
        self.assertIntegrityError(log, user_id=0, action_flag=-1, fields=["action_flag"])
        self.assertIntegrityError(log, user_id=0, action_flag=1, fields=["user"])  # deferred

    def test_both_databases_tell_the_name_of_a_unique_constraint(self):
        with self.assertIntegrityError(
            constraint="django_content_type_app_label_model_76bd3d3b_uniq",
            fields=["app_label", "model"],
        ):
            ContentType.objects.create(app_label="shelves", model="shelf")
            ContentType.objects.create(app_label="shelves", model="shelf")

    def test_no_error_and_the_error_of_another_constraint_fail(self):
        with pytest.raises(AssertionError, match="IntegrityError not raised"):
            self.assertIntegrityError(Group.objects.create, name="authors")
        for other in ({"fields": ["id"]}, {"constraint": "group_name"}):
            with pytest.raises(AssertionError, match=r"Violated: .*fields=\['name'\]"):
                self.assertIntegrityError(Group.objects.create, name="editors", **other)


@pytest.mark.django_db
def test_a_pytest_function_uses_raises_integrity_error():
    with raises_integrity_error(fields=["name"]):
        Group.objects.create(name=None)


@pytest.mark.django_db
def test_a_query_after_a_swallowed_error_fails_with_a_hint():
    def query_after_a_swallowed_error():
        with suppress(IntegrityError):
            Group.objects.create(name=None)
        Group.objects.count()

    call = pytest.CallInfo.from_call(query_after_a_swallowed_error, when="call")
    pytest_runtest_makereport(call)
    assert call.excinfo.value.__notes__ == [HINT]
