"""Where something is defined."""

from tests.backends.repos.conftest import Opened

FILES = {
    "src/shop/__init__.py": "from shop._impl.core import Runner\n",
    "src/shop/_impl/__init__.py": "",
    "src/shop/_impl/core.py": (
        '"""The core."""\n\nMAX = 3\n\nclass Base:\n    def stop(self): ...\n\nclass Runner(Base):\n'
        '    """Runs things.\n\n    At length.\n    """\n\n    def __init__(self):\n        self.state = 1\n\n'
        "    @property\n    def run(self):\n        def inner(): ...\n        return inner\n"
    ),
    "tests/test_core.py": "class Runner:\n    def run(self): ...\n",
    "examples/demo.py": "def run(): ...\n",
    "lib.rs": (
        "/// Runs it.\n///\n/// More.\npub fn run(x: i32) -> i32 { x }\n"
        "struct Engine;\nimpl Engine { fn start(&self) {} }\n"
    ),
    "Main.java": "package a.b;\n/** The main one. */\npublic class Main { void launch() {} }\n",
}


async def test_source_comes_before_examples_and_tests(opened: Opened) -> None:
    repo = await opened(FILES)
    assert [found.path for found in await repo.definitions("Runner")] == [
        "src/shop/_impl/core.py",
        "tests/test_core.py",
    ]
    assert [found.path for found in await repo.definitions("run")][-1] == "tests/test_core.py"


async def test_qualified_names_mean_what_they_say(opened: Opened) -> None:
    repo = await opened(FILES)
    for name in (
        "shop._impl.core.Runner.run",
        "core.Runner.run",
        "shop.Runner.run",
        "shop._impl.core:Runner.run()",
        "src/shop/_impl/core.py".removesuffix(".py") + ".Runner.run",
    ):
        (found, *_) = await repo.definitions(name)
        assert (found.qualified, found.line) == ("shop._impl.core.Runner.run", 18), name


async def test_reexports_and_inherited_members_lead_to_the_definition(opened: Opened) -> None:
    repo = await opened(FILES)
    assert [found.path for found in await repo.definitions("shop.Runner")] == ["src/shop/_impl/core.py"]
    assert [found.qualified for found in await repo.definitions("Runner.stop")] == ["shop._impl.core.Base.stop"]


async def test_symbol_says_what_it_is_and_shows_its_head(opened: Opened) -> None:
    repo = await opened(FILES)
    (found, *_) = await repo.definitions("Runner")
    assert (found.kind, found.doc, found.line, found.end_line, found.test) == ("class", "Runs things.", 8, 20, False)
    assert found.excerpt.source == "repo:src/shop/_impl/core.py#L8-L9"
    assert found.excerpt.text == 'class Runner(Base):\n    """Runs things.'
    (constant,) = await repo.definitions("MAX")
    (attribute,) = await repo.definitions("Runner.state")
    (inner,) = await repo.definitions("inner")
    assert (constant.kind, attribute.kind, inner.kind) == ("constant", "variable", "function")


async def test_kind_and_path_narrow_and_the_limit_holds(opened: Opened) -> None:
    repo = await opened(FILES)
    assert {found.kind for found in await repo.definitions("run", kind="method")} == {"method"}
    assert [found.path for found in await repo.definitions("run", path="examples")] == ["examples/demo.py"]
    assert len(await repo.definitions("run", limit=1)) == 1
    assert await repo.definitions("nothing_like_it") == []
    assert await repo.definitions("") == []


async def test_case_is_forgiven_where_nothing_else_fits(opened: Opened) -> None:
    repo = await opened(FILES)
    assert (await repo.definitions("runner"))[0].name == "Runner"


async def test_other_languages_are_read_by_their_grammar(opened: Opened) -> None:
    repo = await opened(FILES)
    (start,) = await repo.definitions("Engine::start")
    (launch,) = await repo.definitions("Main.launch")
    (rust,) = await repo.definitions("run", path="lib.rs")
    assert (start.kind, start.path, start.line) == ("method", "lib.rs", 6)
    assert (launch.kind, launch.qualified) == ("method", "a.b.Main.launch")
    assert (rust.doc, rust.language) == ("Runs it.", "rust")


async def test_outline_tells_what_a_module_has_needs_and_serves(opened: Opened) -> None:
    repo = await opened(FILES)
    by_name = await repo.outline("shop._impl.core")
    assert by_name == await repo.outline("src/shop/_impl/core.py")
    assert by_name.doc is not None
    assert (by_name.doc.source, by_name.doc.text) == ("repo:src/shop/_impl/core.py#L1", '"""The core."""')
    assert [found.name for found in by_name.symbols] == ["MAX", "Base", "stop", "Runner", "__init__", "state", "run"]
    assert by_name.imported_by == ("src/shop/__init__.py",)
    package = await repo.outline("src/shop")
    assert (package.path, package.imports) == ("src/shop/__init__.py", ("src/shop/_impl/core.py",))


async def test_package_without_documentation_shows_its_readme(opened: Opened) -> None:
    repo = await opened(
        {"pkg/__init__.py": "import os\nimport pkg.a\n", "pkg/README.md": "# Pkg\n\nIt does.\n", "pkg/a.py": ""}
    )
    outline = await repo.outline("pkg")
    assert outline.doc is not None
    assert outline.doc.source == "repo:pkg/README.md#L1-L3"
    assert outline.imports == ("pkg/a.py", "os")
