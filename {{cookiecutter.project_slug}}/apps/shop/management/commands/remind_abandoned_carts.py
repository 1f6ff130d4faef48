"""Mails those who have left something in their cart, once for each cart: ``manage.py remind_abandoned_carts``.

How to go through all sessions, and to change some, while visitors use them: ``common.sessions``.
"""

import logging
from contextlib import suppress
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth import SESSION_KEY as USER_KEY
from django.core.exceptions import ImproperlyConfigured
from django.core.mail import EmailMessage
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from apps.shop import cart
from apps.users.models import User
from common.sessions import SessionGone, edit_session, live_sessions

logger = logging.getLogger(__name__)

YEAR = 365 * 24  # hours


class Command(BaseCommand):
    help = "Mails, once, those who have left something in their cart and have an e-mail address."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--after",
            type=int,
            default=24,
            metavar="HOURS",
            help="How long a cart has not changed when it counts as abandoned; by default 24.",
        )

    def handle(self, *, after: int, verbosity: int, **options: Any) -> None:
        if not 0 <= after <= YEAR:
            raise CommandError(f"--after is {after}: use hours from 0 to {YEAR}, a year.")
        since = timezone.now() - timedelta(hours=after)
        looked, sent, failed = 0, 0, 0
        try:
            for looked, (session_key, data) in enumerate(live_sessions(), start=1):
                try:
                    sent += cart.is_abandoned(data, since) and remind(session_key, data)
                except Exception:
                    # Without the key, which is as good as a password.
                    logger.exception("A reminder of user %s was not sent.", data.get(USER_KEY))
                    failed += 1
                if verbosity > 1 and looked % 1000 == 0:
                    self.stdout.write(f"{looked} sessions, {sent} reminders …")
        except ImproperlyConfigured as exc:
            raise CommandError(str(exc)) from exc
        except KeyboardInterrupt:
            raise CommandError(
                f"Stopped after {looked} sessions, {sent} reminders: start it again for the others.",
                returncode=130,
            ) from None
        self.stdout.write(f"{looked} sessions, {sent} reminders.")
        if failed:
            raise CommandError(f"{failed} failed, see the log: the next run tries them again.")


def remind(session_key: str, data: dict[str, Any]) -> bool:
    """Mark the cart and send the mail, unless somebody else did, or changed it; return whether it was sent.

    The mark is saved first, and taken back where the mail fails: nobody waits for a mail server, which may be
    slow, with a session locked. A crash in between means no mail, the other way round it would mean two.
    """
    message = reminder(data)
    if message is None:
        return False
    try:
        with edit_session(session_key) as session:
            if session.get(cart.SESSION_KEY) != data[cart.SESSION_KEY]:
                return False
            marked = cart.mark_reminded(session)
    except SessionGone:
        return False
    try:
        message.send()
    except BaseException:
        with suppress(SessionGone), edit_session(session_key) as session:
            if session.get(cart.SESSION_KEY) == marked:
                session[cart.SESSION_KEY] = data[cart.SESSION_KEY]
        raise
    return True


def reminder(data: dict[str, Any]) -> EmailMessage | None:
    """Return the mail; None where there is nobody to send it to, or nothing left to buy."""
    pk: Any = data.get(USER_KEY)
    user = User.objects.filter(pk=pk, is_active=True).exclude(email="").first()
    lines = cart.lines(data) if user else []
    if not user or not lines:
        return None
    left = [f"- {count} x {product.name}" for product, count in lines]
    return EmailMessage(
        subject=f"You have left something in your cart at {settings.PROJECT_NAME}",
        body="\n".join(["It is still there:", "", *left, ""]),
        to=[user.email],
    )
