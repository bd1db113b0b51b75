"""Go, and the `go.mod` that says what its modules are called."""

from groundswell.backends.repos.go_facts import extract
from groundswell.backends.repos.go_modules import members, module, project_facts, qualified, resolve, submodule
from groundswell.backends.repos.language import Language

_UNIVERSE = frozenset(
    """
    append cap clear close complex copy delete imag len make max min new panic print println real recover
    any bool byte comparable complex64 complex128 error float32 float64 int int8 int16 int32 int64 rune
    string uint uint8 uint16 uint32 uint64 uintptr true false iota nil
    """.split()  # noqa: SIM905
)

languages = (
    Language(
        name="go",
        extensions=(".go",),
        extract=extract,
        module=module,
        members=members,
        resolve=resolve,
        submodule=submodule,
        qualified=qualified,
        dispatch=0.6,
        builtins=_UNIVERSE,
    ),
    Language(
        name="go-module",
        filenames=("go.mod",),
        extract=project_facts,
        module=lambda path, project: path,
        members=lambda key, project: (key,),
        resolve=resolve,
        submodule=submodule,
        qualified=lambda path, project: path,
    ),
)
