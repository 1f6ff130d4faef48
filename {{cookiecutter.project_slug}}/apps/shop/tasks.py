"""Mail the owners of abandoned carts, once for each cart: a job each hour, and a job for each cart.

An example of tasks that read all sessions, and change some, while visitors use them. A job may run again
after a crash, and carts change while it waits. So a job looks at the cart again, under the lock of
its session, and marks the cart before it sends the mail.
"""

from contextlib import suppress
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth import SESSION_KEY as USER_KEY
from django.core.mail import EmailMessage
from django.utils import timezone

from apps.shop import cart
from apps.users.models import User
from common.jobs import periodic, task
from common.sessions import SessionGone, edit_session, live_sessions, session_store

ABANDONED = timedelta(hours=24)  # how long such a cart is unchanged


@task
@periodic(timedelta(hours=1))
def remind_abandoned_carts() -> None:
    """Enqueue a job for each abandoned cart of a user."""
    since = timezone.now() - ABANDONED
    for session_key, data in live_sessions():
        if USER_KEY in data and cart.is_abandoned(data, since):
            # Arguments are stored and shown, and a session key is as secret as a password. Its first
            # characters find the session, and the 24 others cannot be guessed.
            remind.enqueue(session_key[:8])


@task
def remind(key_start: str) -> None:
    """Mark the cart and send the mail, unless the cart was changed or marked meanwhile.

    The mark is saved before the mail is sent, and removed if sending fails. So the session is not
    locked while the mail server answers, and a crash in between means no mail instead of two.
    """
    store: Any = session_store()
    row = store.model.objects.filter(session_key__startswith=key_start).first()
    session_key = row.session_key if row else ""
    try:
        with edit_session(session_key) as session:
            if not cart.is_abandoned(session, timezone.now() - ABANDONED):
                return
            marked = cart.mark_reminded(session)
            data = dict(session.items())
    except SessionGone:
        return
    try:
        send_reminder(data)
    except BaseException:
        with suppress(SessionGone), edit_session(session_key) as session:
            if session.get(cart.SESSION_KEY) == marked:
                session[cart.SESSION_KEY] = marked | {"reminded_at": None}
        raise  # The job is tried again.


def send_reminder(data: dict[str, Any]) -> None:
    """Send no mail if the user has no address, or if none of the products is sold any more."""
    user = User.objects.filter(pk=data[USER_KEY], is_active=True).exclude(email="").first()
    if user and (lines := cart.lines(data)):
        left = [f"- {count} x {product.name}" for product, count in lines]
        EmailMessage(
            subject=f"You have left something in your cart at {settings.PROJECT_NAME}",
            body="\n".join(["It is still there:", "", *left, ""]),
            to=[user.email],
        ).send()
