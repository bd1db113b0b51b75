"""Who uses a Python definition: scopes, imports, receivers."""
# ruff: noqa: E501 - a case is a line

import pytest

SURE = 0.5

PACKAGE = {
    "src/shop/__init__.py": "from .orders import Order, place\nfrom .billing import *\n__all__ = ['Order']\n",
    "src/shop/orders.py": (
        "class Base:\n"
        "    def save(self): ...\n"
        "\n"
        "class Order(Base):\n"
        "    def __init__(self, items: list['Item'] | None = None) -> None:\n"
        "        self.items = items\n"
        "        self.store = Store()\n"
        "\n"
        "    def total(self) -> int:\n"
        "        return sum(item.price() for item in self.items)\n"
        "\n"
        "    @property\n"
        "    def first(self) -> 'Item':\n"
        "        return self.items[0]\n"
        "\n"
        "    @classmethod\n"
        "    def empty(cls) -> 'Order':\n"
        "        return cls([])\n"
        "\n"
        "    def clone(self):\n"
        "        return self\n"
        "\n"
        "class Item:\n"
        "    def price(self) -> int:\n"
        "        return 1\n"
        "\n"
        "class Store:\n"
        "    def write(self, order: Order) -> None:\n"
        "        order.save()\n"
        "\n"
        "def place(order: Order) -> Order:\n"
        "    order.store.write(order)\n"
        "    return order\n"
    ),
    "src/shop/billing.py": "import shop.orders as o\n\ndef charge(order):\n    return o.place(order)\n",
}


async def lines(repo, symbol: str, path: str, kinds=("call", "use", "inherit")) -> list[int]:
    found = await repo.references(symbol, kinds=kinds)
    return sorted({use.line for use in found if use.path == path and use.confidence >= SURE})


@pytest.mark.parametrize(
    ("symbol", "text", "expected"),
    [
        ("orders.place", "from shop import place\nplace(1)\n", [2]),
        ("orders.place", "import shop\nshop.place(1)\nshop.orders.place(2)\n", [2, 3]),
        ("orders.place", "import shop.orders as so\nso.place(1)\n", [2]),
        ("orders.place", "from shop import orders\norders.place(1)\n", [2]),
        ("orders.place", "from shop.orders import place as put\nput(1)\n", [2]),
        ("orders.place", "from shop.orders import *\nplace(1)\n", [2]),
        ("billing.charge", "from shop import charge\ncharge(1)\n", [2]),
        ("orders.place", "from shop import place\ndef f(place):\n    place(1)\n", []),
        ("orders.place", "from shop import place\ndef f():\n    place = print\n    place(1)\n", []),
        ("orders.place", "from shop import place\nclass C:\n    place = 1\n    def f(self):\n        place(1)\n", [5]),
        ("orders.place", "from elsewhere import place\nplace(1)\n", []),
        ("orders.place", "place(1)\n", []),
        ("orders.place", "try:\n    from shop import place\nexcept ImportError:\n    place = None\nplace(1)\n", [5]),
        ("orders.place", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from shop import place\nplace\n", [4]),
        ("orders.place", "def f():\n    from shop import place\n    return place(1)\n", [3]),
        ("orders.place", "def f():\n    from shop import place\ndef g():\n    place(1)\n", []),
        ("orders.place", "from shop import place\nxs = [place for place in (1, 2)]\nplace(1)\n", [3]),
        ("Order", "from shop import Order\nclass Mine(Order): ...\n", [2]),
        ("Order", "from shop import Order\ndef f(o: 'Order | None') -> Order: ...\n", [2]),
        ("Order.total", "from shop import Order\nOrder().total()\n", [2]),
        ("Order.total", "from shop import Order\ndef f(o: Order | None):\n    o.total()\n", [3]),
        ("Order.total", "from shop import Order\ndef f(os: list[Order]):\n    for o in os:\n        o.total()\n", [4]),
        ("Order.total", "from shop import Order\nOrder.empty().clone().total()\n", [2]),
        ("Order.total", "from shop import place\nplace(1).total()\n", [2]),
        ("Order.total", "from shop import Order\nclass Mine(Order):\n    def f(self):\n        self.total()\n", [4]),
        (
            "Order.total",
            "from shop import Order\nclass Mine(Order):\n    def total(self):\n        return super().total()\n",
            [4],
        ),
        ("Order.total", "from shop import Order\nclass C:\n    o: Order\n    def f(self):\n        self.o.total()\n", [5]),
        (
            "Order.total",
            "from shop import Order\nclass C:\n    def __init__(self, o: Order):\n        self.o = o\n"
            "    def f(self):\n        self.o.total()\n",
            [6],
        ),
        ("Order.total", "from shop import Order\nwith Order() as o:\n    o.total()\n", [3]),
        ("Order.total", "from shop import Order\nos = {1: Order()}\nos[1].total()\nfor k, o in os.items():\n    o.total()\n", [3, 5]),
        ("Order.total", "from shop import Order\ndef f(x):\n    if isinstance(x, Order):\n        x.total()\n    x.total()\n", [4]),
        ("Order.total", "from shop import Item\nItem().total()\n", []),
        ("Base.save", "from shop import Order\nOrder().save()\n", [2]),
        ("Item.price", "from shop import Order\nOrder().first.price()\n", [2]),
        ("Order.first", "from shop import Order\nOrder().first.price()\n", [2]),
        ("Order.__init__", "from shop import Order\nOrder([])\n", [2]),
        ("Store.write", "from shop import Order\nOrder().store.write(1)\nopen('x').write(2)\n", [2]),
        ("Store.write", "from shop import Order\nasync def make() -> Order: ...\nasync def f():\n    (await make()).store.write(1)\n", [4]),
    ],
)  # fmt: skip
async def test_a_use_is_found_where_it_leads_to_the_definition_and_only_there(opened, symbol, text, expected) -> None:
    repo = await opened({**PACKAGE, "app.py": text})
    assert await lines(repo, symbol, "app.py") == expected


async def test_uses_inside_the_package_are_found_through_relative_imports_and_attributes(opened) -> None:
    repo = await opened(PACKAGE)
    found = {(use.path, use.line, use.kind) for use in await repo.references("place")}
    assert found == {
        ("src/shop/__init__.py", 1, "import"),
        ("src/shop/billing.py", 4, "call"),
    }
    assert await lines(repo, "Store.write", "src/shop/orders.py") == [32]
    assert await lines(repo, "Base.save", "src/shop/orders.py") == [29]
    assert await lines(repo, "Item.price", "src/shop/orders.py") == [10]


async def test_a_use_names_its_caller_its_reason_and_its_line(opened) -> None:
    repo = await opened({**PACKAGE, "tests/test_shop.py": "from shop import place\n\ndef test_it():\n    place(1)\n"})
    (use,) = [use for use in await repo.references("place", kinds=["call"]) if use.test]
    assert (use.caller, use.target) == ("tests.test_shop.test_it", "shop.orders.place")
    assert (use.excerpt.source, use.excerpt.text) == ("repo:tests/test_shop.py#L4", "    place(1)")
    assert use.confidence == 1.0
    assert use.reason


async def test_an_unknown_receiver_gives_less_confidence_the_more_methods_share_the_name(opened) -> None:
    one = {"a.py": "class A:\n    def launch(self): ...\n", "b.py": "def f(x):\n    x.launch()\n"}
    repo = await opened(one)
    (alone,) = await repo.references("A.launch")
    assert 0 < alone.confidence < SURE
    repo = await opened({**one, "c.py": "class C:\n    def launch(self): ...\n"})
    (shared,) = await repo.references("A.launch")
    assert shared.confidence < alone.confidence
    assert "2" in shared.reason


async def test_sure_uses_come_first_and_the_limit_holds(opened) -> None:
    repo = await opened(
        {**PACKAGE, "app.py": "from shop import Order\n\ndef f(x):\n    x.total()\n\nOrder().total()\n"}
    )
    found = await repo.references("Order.total")
    assert [use.confidence for use in found] == sorted((use.confidence for use in found), reverse=True)
    assert found[0].line == 6
    assert len(await repo.references("Order.total", limit=1)) == 1


async def test_import_cycles_and_names_that_lead_in_circles_end(opened) -> None:
    repo = await opened(
        {
            "a.py": "from b import f\nfrom b import *\nx = y\ny = x\nx.f()\nclass A(B): ...\nclass B(A): ...\nA().g()\n",
            "b.py": "from a import f\nfrom a import *\ndef h():\n    return h()\nh().f()\n",
            "c.py": "def f(): ...\n",
        }
    )
    assert [use.confidence for use in await repo.references("c.f") if use.confidence >= SURE] == []
