import uuid

from django.db import models


class Score(models.Model):
    """The number of cells that a snake had eaten when it died."""

    # The room makes the key, so a job that runs twice saves one row.
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=16)
    score = models.PositiveIntegerField()
    room = models.CharField(max_length=32)
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-score", "created"]
        indexes = [models.Index(fields=["-score", "created"], name="kogame_score_best")]

    def __str__(self) -> str:
        return f"{self.name}: {self.score}"
