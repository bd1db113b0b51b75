"""Who uses a TypeScript or JavaScript definition: modules, scopes, receivers."""
# ruff: noqa: E501 - a case is a line

import json

import pytest

from groundswell.backends.repos.ecmascript.facts import extract

SURE = 0.5

PACKAGE = {
    "package.json": json.dumps({"name": "@acme/root", "imports": {"#orders": "./src/orders.ts"}}),
    "tsconfig.json": '{\n  // where things are\n  "extends": "./tsconfig.base.json",\n  "compilerOptions": {"paths": {"@shop/*": ["src/*"],}}\n}',
    "tsconfig.base.json": json.dumps({"compilerOptions": {"baseUrl": "."}}),
    "packages/kit/package.json": json.dumps(
        {
            "name": "@acme/kit",
            "exports": {".": {"types": "./dist/index.d.ts", "import": "./dist/index.js"}, "./sub": "./dist/sub.js"},
        }
    ),
    "packages/kit/src/index.ts": "export function kit() {}\n",
    "packages/kit/src/sub.ts": "export function deep() {}\n",
    "src/orders.ts": (
        "export interface Priced { price(): number }\n"
        "export class Base {\n"
        "  save(): this { return this; }\n"
        "}\n"
        "export class Item implements Priced {\n"
        "  price() { return 1; }\n"
        "}\n"
        "export class Order<T = unknown> extends Base {\n"
        "  items: Item[] = [];\n"
        "  byName = new Map<string, Item>();\n"
        "  constructor(private store: Store) { super(); }\n"
        "  get first(): Item { return this.items[0]; }\n"
        "  total() { return this.items.map((item) => item.price()); }\n"
        "  async load(): Promise<Order> { return this; }\n"
        "  static empty() { return new Order(new Store()); }\n"
        "  write() { this.store.put(this); }\n"
        "}\n"
        "export class Store { put(order: Order) { order.save(); } }\n"
        "export const place = (order: Order): Order => order;\n"
        "export function visit(order: Order, each: (item: Item, at: number) => void) {}\n"
        "export type Many = Order[];\n"
        "export enum Kind { Small, Large }\n"
        "export const table = { run() { return this.other(); }, other: () => place };\n"
        "export default class Main { go() {} }\n"
    ),
    "src/index.ts": "export * from './orders';\nexport { place as put } from './orders';\nexport * as all from './orders.js';\nexport { default as Main } from './orders';\n",
    "lib/whole.js": "class Thing { run() { return this; } }\nmodule.exports = Thing;\n",
    "lib/many.js": "function one() {}\nexports.two = function () {};\nmodule.exports.three = one;\n",
    "lib/object.js": "function one() {}\nmodule.exports = { one, two: one, make() { return one(); } };\n",
    "lib/app.js": "var app = exports = module.exports = {};\napp.use = function use() { return this.get(); };\napp.get = function () {};\n",
    "lib/old.js": "function Old() { this.inner = new Old(); }\nOld.prototype.run = function () { this.inner.run(); };\nmodule.exports = Old;\n",
}


async def lines(repo, symbol: str, path: str) -> list[int]:
    found = await repo.references(symbol, kinds=("call", "use", "inherit"))
    return sorted({use.line for use in found if use.path == path and use.confidence >= SURE})


TYPESCRIPT = [
    ("orders.place", "import { place } from './orders';\nplace();\n", [2]),
    ("orders.place", "import { place as set } from './orders.js';\nset();\n", [2]),
    ("orders.place", "import { put } from '.';\nput();\n", [2]),
    ("orders.place", "import { all } from './index';\nall.place();\n", [2]),
    ("orders.place", "import * as orders from './orders';\norders.place();\n", [2]),
    ("orders.place", "import { place } from '@shop/orders';\nplace();\n", [2]),
    ("orders.place", "import { place } from 'src/orders';\nplace();\n", [2]),
    ("orders.place", "import { place } from '#orders';\nplace();\n", [2]),
    ("orders.place", "import { place } from 'elsewhere';\nplace();\n", []),
    ("orders.place", "import { place } from './orders';\nfunction f(place: any) { place(); }\n", []),
    ("orders.place", "import { place } from './orders';\nxs.map((place) => place());\nplace();\n", [3]),
    ("orders.place", "import { place } from './orders';\nif (x) {\n  const place = 1; place;\n}\nplace();\n", [5]),
    ("orders.place", "place();\n", []),
    (
        "orders.place",
        "async function f() {\n  const { place } = await import('./orders');\n  place();\n}\nplace();\n",
        [3],
    ),
    ("kit", "import { kit } from '@acme/kit';\nkit();\n", [2]),
    ("deep", "import { deep } from '@acme/kit/sub';\ndeep();\n", [2]),
    ("orders.Main", "import Any from './orders';\nnew Any();\n", [2]),
    ("orders.Main", "import { Main } from './index';\nlet m: Main;\n", [2]),
    ("Main.go", "import Any from './orders';\nnew Any().go();\n", [2]),
    ("orders.Order", "import type { Order } from './orders';\nlet o: Map<string, Order | null>;\n", [2]),
    ("orders.Order", "import { Order } from './orders';\nclass Mine extends Order<string> {}\n", [2]),
    ("Order.total", "import { Order } from './orders';\nconst o = new Order();\no.total();\n", [3]),
    ("Order.total", "import { Order } from './orders';\nfunction f(o?: Order) { o?.total(); }\n", [2]),
    ("Order.total", "import { Order } from './orders';\nfunction f<T extends Order>(o: T) { o.total(); }\n", [2]),
    ("Order.total", "import { Order } from './orders';\nfor (const o of [new Order()]) o.total();\n", [2]),
    ("Order.total", "import { Many } from './orders';\nfunction f(os: Many) { os.forEach((o) => o.total()); }\n", [2]),
    ("Order.total", "import { place } from './orders';\nplace(x).total();\n", [2]),
    ("Order.total", "import { Order } from './orders';\nOrder.empty().save().total();\n", [2]),
    (
        "Order.total",
        "import { Order } from './orders';\nasync function f(o: Order) { (await o.load()).total(); }\n",
        [2],
    ),
    (
        "Order.total",
        "import { Order } from './orders';\nfunction f(o: Order) { o.load().then((p) => p.total()); }\n",
        [2],
    ),
    (
        "Order.total",
        "import { Order } from './orders';\nfunction f({ o }: { o: Order }, p = new Order()) { p.total(); }\n",
        [2],
    ),
    (
        "Order.total",
        "import { Order } from './orders';\nclass C {\n  o = new Order();\n  f = () => this.o.total();\n}\n",
        [4],
    ),
    (
        "Order.total",
        "import { Order } from './orders';\nclass C {\n  constructor(private o: Order) {}\n  f() { this.o.total(); }\n}\n",
        [4],
    ),
    (
        "Order.total",
        "import { Order } from './orders';\nclass Mine extends Order {\n  total() { return super.total(); }\n}\n",
        [3],
    ),
    ("Order.total", "import { Order } from './orders';\n(x as Order).total();\n(<Order>x).total();\n", [2, 3]),
    (
        "Item.price",
        "import { Order } from './orders';\nfunction f(o: Order) { o.first.price(); o.byName.get('a').price(); }\n",
        [2],
    ),
    ("Order.total", "import { Order } from './orders';\nconst f = function (this: Order) { this.total(); };\n", [2]),
    ("Item.price", "import { visit } from './orders';\nvisit(x, (item) => item.price());\n", [2]),
    ("Item.price", "import { Priced } from './orders';\nfunction f(p: Priced) { p.price(); }\n", [2]),
    ("Priced.price", "import { Item } from './orders';\nnew Item().price();\n", [2]),
    ("Store.put", "import { Order } from './orders';\nnew Order(1).put();\n", []),
    ("Base.save", "import { Order } from './orders';\nconst { save } = new Order();\n", [2]),
    ("Kind", "import { Kind } from './orders';\nconst k = Kind.Small;\n", [2]),
    ("table.run", "import { table } from './orders';\ntable.run();\n", [2]),
]


@pytest.mark.parametrize(("symbol", "text", "expected"), TYPESCRIPT)
async def test_a_use_is_found_where_it_leads_to_the_definition_and_only_there(opened, symbol, text, expected) -> None:
    repo = await opened({**PACKAGE, "src/app.ts": text})
    assert await lines(repo, symbol, "src/app.ts") == expected


@pytest.mark.parametrize(
    ("symbol", "text", "expected"),
    [
        ("Thing", "const Any = require('./whole');\nnew Any();\n", [2]),
        ("Thing", "import Any from './whole.js';\nnew Any();\n", [2]),
        ("Thing.run", "const T = require('./whole');\nnew T().run().run();\n", [2]),
        ("many.two", "const { two: zwei } = require('./many');\nzwei();\n", [2]),
        ("many.one", "const m = require('./many');\nm.three();\n", [2]),
        ("many.two", "const two = require('./many').two;\ntwo();\n", [2]),
        ("many.two", "require('./many').two();\n", [1]),
        ("many.two", "function f() {\n  const { two } = require('./many');\n  two();\n}\ntwo();\n", [3]),
        ("object.one", "const { one, two } = require('./object');\none();\ntwo();\n", [2, 3]),
        ("object.make", "require('./object').make();\n", [1]),
        ("app.use", "const app = require('./app');\napp.use();\n", [2]),
        ("Old.run", "var Old = require('./old');\nvar old = new Old();\nold.run();\n", [3]),
        ("Old.run", "const Old = require('./old');\n/** @param {Old} old */\nfunction f(old) { old.run(); }\n", [3]),
        ("Old", "const Old = require('./old');\nconst view = <Old size={1} />;\n", [2]),
    ],
)
async def test_commonjs_and_modules_of_the_language_find_each_other(opened, symbol, text, expected) -> None:
    repo = await opened({**PACKAGE, "lib/main.jsx": text})
    assert await lines(repo, symbol, "lib/main.jsx") == expected


async def test_this_is_the_object_a_method_was_attached_to(opened) -> None:
    repo = await opened(PACKAGE)
    assert await lines(repo, "app.get", "lib/app.js") == [2]
    assert await lines(repo, "table.other", "src/orders.ts") == [23]
    assert await lines(repo, "Old.run", "lib/old.js") == [2]


async def test_definitions_say_kind_name_and_documentation(opened) -> None:
    text = "/**\n * Adds two numbers.\n *\n * @param a one\n */\nexport const add = (a: number, b: number) => a + b;\n"
    repo = await opened({"src/sums.ts": text})
    (found,) = await repo.definitions("add")
    assert (found.kind, found.qualified, found.line, found.doc) == ("function", "src/sums.add", 6, "Adds two numbers.")


@pytest.mark.parametrize(
    "text",
    [
        "class {",
        "export default {",
        "import {",
        "const a = (((((",
        "a = b = c = ",
        "x" * 5000 + "(" * 3000,
        "\0\n\x01",
        "interface A {\n  <T>(a: T): B<T>\n  <T>(b: T): B<T>\n}\nexport function here() {}\n",
        "((a) => " * 900,
        "type A = " + " | ".join(f"T{n}" for n in range(3000)) + ";\n",
        "const a = " + " + ".join(f"t{n}" for n in range(3000)) + ";\n",
        "a" + ".b((c) => c.d())" * 900,
        "const a = " + "{ a: [" * 900 + "1" + "] }" * 900 + ";\n",
    ],
)
def test_what_is_no_program_is_read_as_far_as_it_goes(text) -> None:
    for path in ("a.ts", "a.tsx", "a.js"):
        assert extract("typescript", path, text).lines == text.count("\n") + 1


def test_signatures_that_no_semicolon_parts_do_not_hide_the_file() -> None:
    text = "interface A {\n  // one\n  <T>(a: T): B<T>\n  (b: string): B<T>\n  <T>(b: T, c: string): B<T>\n}\nexport function here() {}\n"
    assert [one.name for one in extract("typescript", "a.ts", text).definitions] == ["A", "here"]


async def test_a_private_member_is_not_the_public_one_of_its_name(opened) -> None:
    text = "class A {\n  #run() {}\n  static run() {}\n  go() { this.#run(); A.run(); }\n}\nA.run();\n"
    repo = await opened({"a.js": text})
    (private,) = await repo.definitions("A.#run")
    assert private.line == 2
    assert await lines(repo, "A.#run", "a.js") == [4]
    assert [one.line for one in await repo.definitions("A#run")] == [3]
    assert await lines(repo, "A.run", "a.js") == [4, 6]


def test_a_long_row_of_operands_is_read_to_its_end() -> None:
    text = (
        "type A = "
        + " | ".join(f"T{n}" for n in range(500))
        + ";\nconst a = "
        + " + ".join(f"t{n}()" for n in range(500))
    )
    facts = extract("typescript", "a.ts", text)
    assert [len(list(facts.uses(name))) for name in ("T0", "T499", "t0", "t499")] == [1, 1, 1, 1]
