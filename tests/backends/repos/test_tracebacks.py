"""What a traceback says, in any of our languages."""

import pytest
from tests.backends.repos.conftest import Opened

TEN = "line\n" * 40
FILES = {
    "src/shop/cart.py": TEN,
    "src/shop/models.py": TEN,
    "other/models.py": TEN,
    "web/src/app.ts": TEN,
    "web/src/lib/api.ts": TEN,
    "cmd/server/main.go": "package main\n" + TEN,
    "internal/store/store.go": "package store\n" + TEN,
    "src/main/java/com/acme/App.java": TEN,
    "src/main/java/com/acme/db/Pool.java": TEN,
    "crates/core/src/lib.rs": TEN,
    "crates/core/src/parse.rs": TEN,
}

PYTHON = """Traceback (most recent call last):
  File "/usr/lib/python3.11/runpy.py", line 196, in _run_module_as_main
    return _run_code(code)
  File "/app/src/shop/cart.py", line 12, in checkout
    total(cart)
  File "/app/src/shop/models.py", line 7, in total
    raise ValueError("no price")
ValueError: no price
"""
NODE = """TypeError: Cannot read properties of undefined (reading 'id')
    at fetchUser (/srv/web/src/lib/api.ts:14:22)
    at async handler (file:///srv/web/src/app.ts:9:5)
    at processTicksAndRejections (node:internal/process/task_queues:95:5)
"""
GO = """panic: runtime error: invalid memory address or nil pointer dereference
[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x48f7a2]

goroutine 1 [running]:
example.com/app/internal/store.(*Store).Get(0x0, {0x4b1c2a, 0x3})
\t/build/internal/store/store.go:21 +0x22
main.main()
\t/build/cmd/server/main.go:11 +0x45
exit status 2
"""
JAVA = """Exception in thread "main" java.lang.RuntimeException: failed
\tat com.acme.App.start(App.java:20)
\tat com.acme.App.main(App.java:8)
Caused by: java.sql.SQLException: no connection
\tat com.acme.db.Pool.take(Pool.java:31)
\tat com.acme.App.start(App.java:18)
\t... 1 more
"""
RUST = """thread 'main' panicked at crates/core/src/parse.rs:17:9:
called `Option::unwrap()` on a `None` value
stack backtrace:
   0: rust_begin_unwind
             at /rustc/abc/library/std/src/panicking.rs:600:5
   1: core::parse::number
             at ./crates/core/src/parse.rs:17:9
   2: core::run
             at ./crates/core/src/lib.rs:5:3
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (PYTHON, [("", 196), ("src/shop/cart.py", 12), ("src/shop/models.py", 7)]),
        (NODE, [("web/src/app.ts", 9), ("web/src/lib/api.ts", 14)]),
        (GO, [("cmd/server/main.go", 11), ("internal/store/store.go", 21)]),
        (
            JAVA,
            [
                ("src/main/java/com/acme/App.java", 8),
                ("src/main/java/com/acme/App.java", 20),
                ("src/main/java/com/acme/App.java", 18),
                ("src/main/java/com/acme/db/Pool.java", 31),
            ],
        ),
        (RUST, [("crates/core/src/lib.rs", 5), ("crates/core/src/parse.rs", 17), ("", 600)]),
        ("src/shop/cart.py:3: error: no\nweb/src/app.ts:4 warning", [("src/shop/cart.py", 3), ("web/src/app.ts", 4)]),
        ("nothing of the kind", []),
    ],
    ids=["python", "node", "go", "java", "rust", "compiler", "none"],
)
async def test_frames_are_found_innermost_last_and_mapped_to_files(opened: Opened, text: str, expected) -> None:
    repo = await opened(FILES)
    frames = await repo.frames(text)
    found = [(frame.path, frame.line) for frame in frames if "node:" not in frame.file]
    assert found == expected


async def test_frame_shows_its_lines_and_function(opened: Opened) -> None:
    repo = await opened(FILES)
    frame = (await repo.frames(PYTHON))[-1]
    assert (frame.function, frame.excerpt and frame.excerpt.source) == ("total", "repo:src/shop/models.py#L5-L9")


@pytest.mark.parametrize(
    "file",
    [
        "/venv/lib/python3.11/site-packages/shop/util.py",
        "/x/site-packages/requests/models.py",
        "/elsewhere/absent.py",
        "x.py",
    ],
)
async def test_frame_of_other_code_is_mapped_to_nothing(opened: Opened, file: str) -> None:
    repo = await opened(FILES)
    (frame,) = await repo.frames(f'Traceback (most recent call last):\n  File "{file}", line 3, in f\n')
    assert (frame.path, frame.excerpt) == ("", None)


async def test_megabyte_of_nonsense_is_no_traceback(opened: Opened) -> None:
    repo = await opened(FILES)
    assert await repo.frames('File "' * 200_000) == []
    assert await repo.frames("at " * 400_000) == []
    assert await repo.frames("a/" * 500_000) == []
