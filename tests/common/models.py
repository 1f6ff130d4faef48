"""Models that the tests of ``common`` need, and no service."""

from django.db import models
from django.db.models.functions import Lower


class Author(models.Model):
    name = models.CharField(max_length=50)

    def __str__(self):
        return self.name


class Publisher(models.Model):
    name = models.CharField(max_length=50)

    def __str__(self):
        return self.name


class Book(models.Model):
    """A constraint of each kind, under names that are hard to read out of an error message."""

    publisher = models.ForeignKey(Publisher, models.PROTECT, null=True)
    parent = models.ForeignKey("self", models.CASCADE, db_column="part, of", null=True)
    title = models.CharField(max_length=50, db_column="the title", default="Emma")
    isbn = models.BigIntegerField(unique=True, null=True)
    pages = models.PositiveIntegerField(db_column="no. of pages", default=1)
    shelf = models.IntegerField(null=True)
    place = models.IntegerField(null=True)
    notes = models.JSONField(null=True)
    sellers = models.ManyToManyField(Publisher, related_name="sold")

    class Meta:
        db_table = "Common, tests.book"
        unique_together = [("publisher", "title")]
        constraints = [
            models.CheckConstraint(condition=models.Q(pages__lt=5000), name="book_pages_lt_5000"),
            models.UniqueConstraint("shelf", Lower("title"), name="book_title_on_shelf"),
            models.UniqueConstraint(
                fields=["shelf", "place"], condition=models.Q(shelf__gt=0), name="book_place"
            ),
            models.UniqueConstraint(
                fields=["place"], condition=models.Q(shelf=-1), name="book_in_store"
            ),
            models.UniqueConstraint(
                fields=["place"], condition=models.Q(shelf=-2), name="book_on_loan"
            ),
            models.UniqueConstraint(
                fields=["parent_id"],
                include=["shelf"],
                condition=models.Q(shelf=-3),
                name="book_sold",
            ),
        ]

    def __str__(self):
        return self.title


class Parcel(models.Model):
    """Checks with LIKE, which Django's introspection of SQLite misreads."""

    sender = models.CharField(max_length=20, default="S")
    receiver = models.CharField(max_length=20, default="R")
    weight = models.IntegerField(default=1)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(sender__startswith="S"), name="parcel_from"),
            models.CheckConstraint(condition=models.Q(receiver__startswith="R"), name="parcel_to"),
            models.CheckConstraint(condition=models.Q(weight__gt=0), name="parcel_weight"),
        ]

    def __str__(self):
        return self.sender


class Novel(Book):
    sequel = models.OneToOneField("self", models.RESTRICT, null=True)


class Reprint(Book):
    class Meta:
        proxy = True
        app_label = "common"  # an app before that of the model whose table it shares
