from django.urls import path

from apps.shop import views

app_name = "shop"
urlpatterns = [
    path("", views.ProductListView.as_view(), name="product-list"),
    path("stash/<int:pk>", views.stash_product, name="stash-product"),
    path("cart", views.show_cart, name="cart"),
    path("cart/add/<int:pk>", views.add_to_cart, name="add-to-cart"),
    path("cart/remove/<int:pk>", views.remove_from_cart, name="remove-from-cart"),
]
