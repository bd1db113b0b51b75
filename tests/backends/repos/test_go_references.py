"""Who uses a Go definition: packages, scopes, receivers, interfaces."""
# ruff: noqa: E501 - a case is a line

import pytest

from groundswell.backends.repos.go_facts import extract

SURE = 0.5

MODULE = {
    "go.mod": "module example.org/shop/v2\n\ngo 1.24\n\nreplace example.org/kit => ./kit\n",
    "kit/kit.go": "package kit\n\nfunc Deep() {}\n",
    "vendor/example.org/other/o.go": "package other\n\nfunc Place() {}\n",
    "root.go": "package shop\n\nfunc Root() {}\n",
    "orders/orders.go": (
        "// Package orders keeps orders.\n"
        "package orders\n"
        "\n"
        "// Base saves.\n"
        "type Base struct{}\n"
        "\n"
        "func (b *Base) Save() error { return nil }\n"
        "\n"
        "type Order struct {\n"
        "\t*Base\n"
        "\tItems []*Item\n"
        "\tByName map[string]Item\n"
        "\tstore Store\n"
        "}\n"
        "\n"
        "type Store interface {\n"
        "\tPut(order *Order) (int, error)\n"
        "}\n"
        "\n"
        "type Func func(n int) *Order\n"
        "\n"
        "func (f Func) Call() {}\n"
        "\n"
        "func New(items ...*Item) (*Order, error) { return &Order{Items: items}, nil }\n"
        "\n"
        "func Place(order *Order) *Order { return order }\n"
        "\n"
        "var Default = Place(nil)\n"
        "\n"
        "type Kind int\n"
        "\n"
        "const (\n"
        "\tSmall Kind = iota\n"
        "\tLarge\n"
        ")\n"
        "\n"
        'func (k Kind) String() string { return "" }\n'
    ),
    "orders/more.go": (
        "//go:build linux\n"
        "\n"
        "package orders\n"
        "\n"
        "type Item struct{ Name string }\n"
        "\n"
        "func (i Item) Price() int { return 1 }\n"
        "\n"
        "func (o *Order) Total() int { return o.Items[0].Price() }\n"
        "\n"
        "type Disk[T any] struct{}\n"
        "\n"
        "func (d *Disk[T]) Put(order *Order) (int, error) { return 0, nil }\n"
    ),
}
HEAD = 'package app\n\nimport "example.org/shop/v2/orders"\n\n'  # the text begins on line 5


async def lines(repo, symbol: str, path: str) -> list[int]:
    found = await repo.references(symbol, kinds=("call", "use", "inherit"))
    return sorted({use.line for use in found if use.path == path and use.confidence >= SURE})


@pytest.mark.parametrize(
    ("symbol", "text", "expected"),
    [
        ("orders.Place", "func f() { orders.Place(nil) }\n", [5]),
        ("orders.Place", "func f(orders T) { orders.Place(nil) }\n", []),
        ("orders.Place", "var place = orders.Place\n", [5]),
        ("orders.Place", "func Place() {}\nfunc f() { Place() }\n", []),
        ("orders.Order", "type Mine struct{ orders.Order }\n", [5]),
        ("orders.Order", "func f(os map[string][]*orders.Order) {}\n", [5]),
        ("Order.Total", "func f(o *orders.Order) { o.Total() }\n", [5]),
        ("Order.Total", "func f() {\n\to := orders.Order{}\n\to.Total()\n}\n", [7]),
        ("Order.Total", "func f() {\n\to := new(orders.Order)\n\to.Total()\n}\n", [7]),
        ("Order.Total", "func f() {\n\to, err := orders.New()\n\t_ = err\n\to.Total()\n}\n", [8]),
        ("Order.Total", "func f() {\n\tvar o orders.Order\n\to.Total()\n\t{\n\t\to := 1\n\t\to.Total()\n\t}\n}\n", [7]),
        ("Order.Total", "func f() { orders.Default.Total() }\n", [5]),
        (
            "Order.Total",
            "func f(os []orders.Order) {\n\tfor _, o := range os {\n\t\to.Total()\n\t}\n\tos[0].Total()\n}\n",
            [7, 9],
        ),
        ("Order.Total", "func f(x any) {\n\tif o, ok := x.(*orders.Order); ok {\n\t\to.Total()\n\t}\n}\n", [7]),
        (
            "Order.Total",
            "func f(x any) {\n\tswitch o := x.(type) {\n\tcase *orders.Order:\n\t\to.Total()\n\tcase int:\n\t\to.Total()\n\t}\n}\n",
            [8],
        ),
        ("Order.Total", "func f() {\n\tch := make(chan *orders.Order)\n\to := <-ch\n\to.Total()\n}\n", [8]),
        ("Order.Total", "func f(g orders.Func) { g(1).Total() }\n", [5]),
        ("Order.Total", "func f(o *orders.Order) {\n\tg := o.Total\n\tdefer o.Total()\n}\n", [6, 7]),
        ("Order.Total", "func f(o *orders.Order) { g(func(o int) { o.Total() }); o.Total() }\n", [5]),
        ("Order.Total", "func f(o *orders.Order) { g(func(o int) {\n\to.Total()\n}) }\n", []),
        ("Order.Total", "func f[T *orders.Order](o T) { o.Total() }\n", [5]),
        ("Order.Total", "type Mine struct{ *orders.Order }\n\nfunc (m Mine) F() { m.Total() }\n", [7]),
        ("Order.Total", "type Mine struct{ o *orders.Order }\n\nfunc (m *Mine) F() { m.o.Total() }\n", [7]),
        (
            "Order.Total",
            "func f() {\n\tfor _, tt := range []struct{ o *orders.Order }{{nil}} {\n\t\ttt.o.Total()\n\t}\n}\n",
            [7],
        ),
        ("Base.Save", "func f(o orders.Order) { o.Save() }\n", [5]),
        (
            "Item.Price",
            'func f(o orders.Order) {\n\to.ByName["a"].Price()\n\ti := o.Items[0]\n\ti.Price()\n}\n',
            [6, 8],
        ),
        ("Func.Call", "func f(g orders.Func) { g.Call() }\n", [5]),
        ("Kind.String", "func f() { _ = orders.Large.String() }\n", [5]),
        ("Store.Put", "func f(s orders.Store) { s.Put(nil) }\n", [5]),
        ("Disk.Put", "func f(s orders.Store) { s.Put(nil) }\n", [5]),
        ("Store.Put", "func f(d *orders.Disk[int]) { d.Put(nil) }\n", [5]),
        ("Disk.Put", "type Other interface{ Put(o *orders.Order) }\n\nfunc f(o Other) { o.Put(nil) }\n", []),
    ],
)
async def test_a_use_is_found_where_it_leads_to_the_definition_and_only_there(opened, symbol, text, expected) -> None:
    repo = await opened({**MODULE, "app/app.go": HEAD + text})
    assert await lines(repo, symbol, "app/app.go") == expected


@pytest.mark.parametrize(
    ("symbol", "text", "expected"),
    [
        ("orders.Place", 'import o "example.org/shop/v2/orders"\n\nfunc f() { o.Place(nil) }\n', [5]),
        ("orders.Place", 'import . "example.org/shop/v2/orders"\n\nfunc f() { Place(nil) }\n', [5]),
        ("orders.Place", 'import "example.org/elsewhere/orders"\n\nfunc f() { orders.Place(nil) }\n', []),
        ("shop.Root", 'import "example.org/shop/v2"\n\nfunc f() { shop.Root() }\n', [5]),
        ("kit.Deep", 'import "example.org/kit"\n\nfunc f() { kit.Deep() }\n', [5]),
        ("kit.Deep", 'import _ "example.org/kit"\n\nfunc f() { kit.Deep() }\n', []),
    ],
)
async def test_an_import_means_the_package_that_go_mod_says(opened, symbol, text, expected) -> None:
    repo = await opened({**MODULE, "app/app.go": "package app\n\n" + text})
    assert await lines(repo, symbol, "app/app.go") == expected


async def test_files_of_one_folder_are_one_package_but_external_tests_are_not(opened) -> None:
    inside = 'package orders\n\nimport "testing"\n\nfunc TestPlace(t *testing.T) { Place(nil) }\n'
    outside = "package orders_test\n\nfunc Place() {}\n\nfunc f() { Place() }\n"
    repo = await opened({**MODULE, "orders/in_test.go": inside, "orders/out_test.go": outside})
    assert await lines(repo, "orders.Place", "orders/in_test.go") == [5]
    assert await lines(repo, "orders.Place", "orders/out_test.go") == []
    assert await lines(repo, "orders_test.Place", "orders/out_test.go") == [5]


async def test_a_parameter_called_like_its_type_hides_it_only_after_the_signature(opened) -> None:
    repo = await opened(
        {
            "go.mod": "module a\n",
            "a.go": "package a\n\ntype setter interface{ Set() }\n\nfunc f(setter setter) { setter.Set() }\n",
        }
    )
    assert await lines(repo, "setter", "a.go") == [5]
    assert await lines(repo, "setter.Set", "a.go") == [5]


async def test_definitions_say_kind_name_and_documentation(opened) -> None:
    repo = await opened(MODULE)
    (base,) = await repo.definitions("orders.Base")
    (total,) = await repo.definitions("Order.Total")
    assert (base.kind, base.qualified, base.line, base.doc) == ("class", "orders.Base", 5, "Base saves.")
    assert (total.kind, total.qualified, total.path) == ("method", "orders.Order.Total", "orders/more.go")


@pytest.mark.parametrize(
    "text",
    [
        "package",
        "func (",
        "package a\nfunc f(",
        "type T struct {\n",
        "\0",
        "package a\n" + "func f() { g(" * 700,
        "package a\nvar a = " + " + ".join("b" * 3000) + "\n",
        "package a\nvar a = " + "b(func() { " * 900 + "}" * 900 + "\n",
    ],
)
def test_what_is_no_program_is_read_as_far_as_it_goes(text) -> None:
    assert extract("a.go", text).lines == text.count("\n") + 1
