"""If one of these tests fails after an upgrade of Django, ``suspending_receiver`` needs a change."""

from django.contrib.sessions.models import Session  # noqa: TID251 -- a model with no relations
from django.core.management import call_command
from django.db.models.signals import ModelSignal, pre_delete
from django.dispatch import Signal
from django.test import override_settings
from django.utils import timezone

from common.signals import suspending_receiver
from common.testing import TestCase


@override_settings(SUSPEND_SIGNALS=False)
class SuspendingReceiverTests(TestCase):
    def test_a_suspended_receiver_hears_nothing_and_comes_back_in_its_place(self):
        signal = Signal(use_caching=True)

        @suspending_receiver(signal)
        def first(**kwargs):
            return "first"

        def other(**kwargs):
            return "other"

        signal.connect(other)
        connected = [(first, "first"), (other, "other")]
        assert signal.send(Session) == connected
        with self.settings(SUSPEND_SIGNALS=True):
            assert signal.send(Session) == [(other, "other")]
            assert first() == "first"
        assert signal.send(Session) == connected
        assert signal.disconnect(first)

    async def test_a_receiver_registered_while_suspended_starts_when_the_suspension_ends(self):
        signal = ModelSignal()
        with self.settings(SUSPEND_SIGNALS=True):

            @suspending_receiver(signal, sender="sessions.Session")
            async def receiver(**kwargs):
                return "heard"

            assert await signal.asend(Session) == []
        assert await signal.asend(Session) == [(receiver, "heard")]

    def test_django_deletes_rows_in_one_query_while_the_receiver_is_suspended(self):
        @suspending_receiver(pre_delete, sender=Session)
        def receiver(**kwargs):
            pass

        Session.objects.create(session_key="key", expire_date=timezone.now())
        with self.settings(SUSPEND_SIGNALS=True), self.assertNumQueries(1):
            Session.objects.all().delete()
        assert pre_delete.has_listeners(Session)


def test_startapp_makes_an_app_whose_receivers_can_be_suspended(settings, tmp_path):
    settings.BASE_DIR = tmp_path
    (tmp_path / "apps").mkdir()
    call_command("startapp", "colorsys")  # Django's own command would reject this name.
    assert "@suspending_receiver(" in (tmp_path / "apps/colorsys/receivers.py").read_text()
