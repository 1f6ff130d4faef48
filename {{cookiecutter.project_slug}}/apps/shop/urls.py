from django.urls import path

from apps.shop import views

app_name = "shop"
urlpatterns = [
    path("", views.ProductListView.as_view(), name="product-list"),
    path("stash/<int:pk>", views.stash_product, name="stash-product"),
]
