"""``manage.py jobs``, and the admin of jobs."""

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core.management import CommandError, call_command
from django.db.models import F
from django.urls import reverse

from common.jobs.models import Job
from common.testing import TestCase
from common.testing.jobs import run_jobs
from common_tests.job_tasks import fail, give


def jobs(*args):
    output = StringIO()
    call_command("jobs", *args, stdout=output)
    return output.getvalue()


class WithJobs(TestCase):
    """One job that failed, one that succeeded and one that waits."""

    def setUp(self):
        self.failed = fail.enqueue().id
        for _ in range(2):
            with pytest.raises(ValueError, match="x"):
                run_jobs(delayed=True)
        self.succeeded = give.enqueue("cart 7").id
        run_jobs()
        self.waiting = give.enqueue(1).id

    def statuses(self):
        return {job.id: job.status for job in Job.objects.all()}


class CommandTests(WithJobs):
    def test_failed_lists_each_with_its_request_and_its_last_error(self):
        Job.objects.update(request_id="abc")
        output = jobs("failed")
        assert self.failed in output
        assert "request=abc\n    ValueError: x\n" in output
        assert self.succeeded not in output

    def test_retry_runs_the_named_jobs_again_with_all_their_attempts(self):
        assert jobs("retry", self.failed) == "1 jobs will run again.\n"
        job = Job.objects.get(pk=self.failed)
        assert (job.status, job.attempts, job.finished_at) == ("READY", 0, None)
        assert len(json.loads(job.errors)) == 2
        with pytest.raises(ValueError, match="x"):
            run_jobs()

    def test_retry_all_takes_the_failed_jobs_and_no_others(self):
        assert jobs("retry", "--all") == "1 jobs will run again.\n"
        assert self.statuses()[self.succeeded] == "SUCCESSFUL"

    def test_retry_changes_nothing_if_one_of_the_jobs_has_not_failed(self):
        before = self.statuses()
        with pytest.raises(CommandError, match=f"Nothing was changed, .*: {self.succeeded}, none"):
            jobs("retry", self.failed, self.succeeded, "none")
        for args in ([], ["--all", self.failed]):
            with pytest.raises(CommandError, match="Name jobs by their ids, or use --all"):
                jobs("retry", *args)
        assert self.statuses() == before

    def test_prune_deletes_what_succeeded_some_time_ago_and_failed_jobs_on_demand(self):
        assert jobs("prune") == "0 jobs were deleted.\n"
        Job.objects.update(finished_at=F("finished_at") - timedelta(days=8))
        assert jobs("prune") == "0 jobs were deleted.\n"
        assert jobs("prune", "--days=7") == "1 jobs were deleted.\n"
        assert {*self.statuses()} == {self.failed, self.waiting}
        assert jobs("prune", "--days=7", "--failed") == "1 jobs were deleted.\n"
        assert {*self.statuses()} == {self.waiting}


class AdminTests(WithJobs):
    def setUp(self):
        super().setUp()
        self.log_in(is_superuser=True)
        self.list = reverse("admin:common_jobs_job_changelist")

    def log_in(self, **values):
        name = f"user{get_user_model().objects.count()}"
        self.user = get_user_model().objects.create(username=name, is_staff=True, **values)
        self.client.force_login(self.user)

    def act(self, action, *ids):
        data = {"action": action, "_selected_action": ids}
        return self.client.post(self.list, data, follow=True)

    def test_the_list_can_be_filtered_and_searched(self):
        response = self.client.get(self.list, {"status": "FAILED"})
        self.assertContains(response, self.failed)
        self.assertNotContains(response, self.waiting)
        response = self.client.get(self.list, {"q": "cart 7"})
        self.assertContains(response, self.succeeded)
        self.assertNotContains(response, self.failed)

    def test_a_job_is_shown_and_can_not_be_edited(self):
        url = reverse("admin:common_jobs_job_change", args=[self.failed])
        response = self.client.get(url)
        self.assertContains(response, "ValueError")
        self.assertNotContains(response, "_save")
        assert self.client.post(url, {"status": "READY"}).status_code == 403

    def test_jobs_can_not_be_added_or_deleted(self):
        for name, args in [("add", []), ("delete", [self.failed])]:
            url = reverse(f"admin:common_jobs_job_{name}", args=args)
            assert self.client.post(url, {"post": "yes"}).status_code == 403
        self.act("delete_selected", self.failed)
        assert len(self.statuses()) == 3

    def test_the_action_retries_those_of_the_selected_jobs_that_failed(self):
        response = self.act("retry", self.failed, self.succeeded)
        self.assertContains(response, "1 of the selected jobs will run again.")
        statuses = self.statuses()
        assert (statuses[self.failed], statuses[self.succeeded]) == ("READY", "SUCCESSFUL")

    def test_a_retry_needs_the_permission_to_change_jobs(self):
        for name, expected in [("view_job", "FAILED"), ("change_job", "READY")]:
            self.log_in()
            self.user.user_permissions.set(
                Permission.objects.filter(codename__in=["view_job", name])
            )
            self.act("retry", self.failed)
            assert self.statuses()[self.failed] == expected
