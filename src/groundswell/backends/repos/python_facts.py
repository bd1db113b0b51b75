"""The facts of a Python file, from its syntax tree."""

import ast
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from groundswell.backends.repos import facts
from groundswell.backends.repos.facts import MODULE, Builder, Chain, Definition, FileFacts, Import, Typed
from groundswell.backends.repos.python_types import (
    annotation,
    is_generic,
    last_name,
    parsed,
    typed_values,
    value_chains,
)

Function = ast.FunctionDef | ast.AsyncFunctionDef
_PROPERTIES = ("property", "cached_property", "setter", "getter", "deleter")
_CLASS_RECEIVERS = frozenset(("__new__", "__init_subclass__", "__class_getitem__"))
_RETURNS = 4  # of one function that are looked at


def extract(path: str, text: str) -> FileFacts:
    """Read a file; raises SyntaxError (or what else `ast.parse` raises) where it is not Python 3."""
    del path
    lines = text.split("\n")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # invalid escapes in other people's strings
        tree = ast.parse(text.replace("\r", " "))
    reader = _Reader(lines)
    reader.module(tree)
    return reader.builder.facts


def first_paragraph(text: str, limit: int = 400) -> str:
    """Documentation up to its first blank line, on one line."""
    return " ".join(text.strip().split("\n\n", 1)[0].split())[:limit]


@dataclass(slots=True)
class _Frame:
    """A scope being read."""

    scope: int
    kind: str  # module, class, function
    names: dict[str, int] = field(default_factory=dict[str, int])  # variables that are definitions here
    locals: set[str] = field(default_factory=set[str])
    globals: set[str] = field(default_factory=set[str])
    receiver: str = ""
    owner: "_Frame | None" = None  # the class a method stands in
    returns: list[tuple[Chain, int]] = field(default_factory=list[tuple[Chain, int]])
    yields: bool = False


class _Reader:
    def __init__(self, lines: Sequence[str]) -> None:
        self.lines = lines
        self.builder = Builder("python", len(lines))
        self.frame = _Frame(MODULE, "module")
        self.root = self.frame
        self.all: list[str] = []
        self._visitors: dict[type, Callable[[Any], None]] = {
            ast.FunctionDef: self._function,
            ast.AsyncFunctionDef: self._function,
            ast.ClassDef: self._class,
            ast.Import: self._import,
            ast.ImportFrom: self._import_from,
            ast.Assign: self._assign,
            ast.AnnAssign: self._annotated,
            ast.AugAssign: self._augmented,
            ast.For: self._for,
            ast.AsyncFor: self._for,
            ast.With: self._with,
            ast.AsyncWith: self._with,
            ast.ExceptHandler: self._handler,
            ast.Return: self._return,
            ast.Yield: self._yield,
            ast.YieldFrom: self._yield_from,
            ast.Global: self._global,
            ast.If: self._if,
            ast.Assert: self._assert,
            ast.Call: self._call,
            ast.Name: self._name,
            ast.Attribute: self._attribute,
            ast.Subscript: self._subscript,
            ast.Lambda: self._lambda,
            ast.NamedExpr: self._walrus,
            ast.ListComp: self._comprehension,
            ast.SetComp: self._comprehension,
            ast.GeneratorExp: self._comprehension,
            ast.DictComp: self._comprehension,
            ast.MatchAs: self._match_as,
            ast.MatchStar: self._match_star,
            ast.MatchMapping: self._match_mapping,
        }
        if alias := getattr(ast, "TypeAlias", None):
            self._visitors[alias] = self._type_alias

    def module(self, tree: ast.Module) -> None:
        if doc := _docstring_node(tree.body):
            self.builder.facts.doc = (doc.lineno, doc.end_lineno or doc.lineno)
        else:
            self.builder.facts.doc = _leading_comment(self.lines)
        self._visit_all(tree.body)
        if self.all:
            self.builder.facts.settings["all"] = self.all

    # walking

    def _visit(self, node: ast.AST | None) -> None:
        if node is None:
            return
        visitor = self._visitors.get(type(node))
        if visitor is not None:
            visitor(node)
        else:
            self._children(node)

    def _children(self, node: ast.AST) -> None:
        for name in node._fields:
            value = getattr(node, name, None)
            if isinstance(value, list):
                self._visit_all(value)
            elif isinstance(value, ast.AST):
                self._visit(value)

    def _visit_all(self, nodes: Iterable[Any]) -> None:
        for node in nodes:
            if isinstance(node, ast.AST):
                self._visit(node)

    def _typed(self, chains: Iterable[tuple[Chain, int]], line: int) -> tuple[Typed, ...]:
        scope = self.frame.scope
        return tuple(Typed(scope, line, chain, slot) for chain, slot in chains)

    # definitions

    def _class(self, node: ast.ClassDef) -> None:
        self._decorators(node)
        for base in node.bases:
            plain = base.value if isinstance(base, ast.Subscript) else base
            for chain in value_chains(plain)[:1]:
                self.builder.use(chain, "inherit", _end(plain), self.frame.scope)
            if isinstance(plain, ast.Attribute):
                self._visit(plain.value)
            elif not isinstance(plain, ast.Name):
                self._visit(plain)
            if isinstance(base, ast.Subscript):
                self._annotation(base.slice)
        self._visit_all(node.keywords)
        plain_bases = (base.value if isinstance(base, ast.Subscript) else base for base in node.bases)
        bases = tuple(chain for base in plain_bases for chain in value_chains(base)[:1])
        number = self._define(node, "class", bases=bases)
        outer, self.frame = self.frame, _Frame(number, "class")
        self._visit_all(node.body)
        self.frame = outer

    def _function(self, node: Function) -> None:
        self._decorators(node)
        outer = self.frame
        in_class = outer.kind == "class"
        number = self._define(node, "method" if in_class else "function", flags=_function_flags(node, in_class))
        self._signature(node)
        inner = _Frame(number, "function", owner=outer if in_class else None)
        self.frame = inner
        self._parameters(node, in_class)
        self._visit_all(node.body)
        types = self._typed(_returned(node, in_class), node.lineno) if node.returns else self._inferred(node)
        self.builder.amend(number, types=types)
        self.frame = outer

    def _inferred(self, node: Function) -> tuple[Typed, ...]:
        """What a function without annotation returns, from its return statements."""
        found = list(dict.fromkeys(self.frame.returns))[:_RETURNS]
        if not found:
            nothing = "@unknown" if _gives_up(node) else "@literal"
            found = [((nothing,), -1)]
        if self.frame.yields:
            found = [((*chain, "*"), -1) for chain, slot in found if slot < 0]
        return self._typed(found, node.end_lineno or node.lineno)

    def _define(
        self, node: Function | ast.ClassDef, kind: str, *, bases: tuple[Chain, ...] = (), flags: int = 0
    ) -> int:
        doc = _docstring_node(node.body)
        head = (doc and self._paragraph_end(doc)) or max(node.lineno, node.body[0].lineno - 1)
        first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
        if not node.name.startswith("_") and self.frame.kind != "function":
            flags |= facts.EXPORTED
        frame = self.frame
        number = self.builder.define(
            Definition(
                node.name,
                kind,
                frame.scope,
                first,
                node.end_lineno or node.lineno,
                node.lineno,
                min(head, node.end_lineno or head),
                doc=first_paragraph(str(doc.value)) if doc else "",
                bases=bases,
                decorators=tuple(chain for decorator in node.decorator_list for chain in value_chains(decorator)[:1]),
                flags=flags,
            )
        )
        frame.locals.add(node.name)
        return number

    def _decorators(self, node: Function | ast.ClassDef) -> None:
        self._visit_all(node.decorator_list)

    def _signature(self, node: Function) -> None:
        arguments = node.args
        for argument in _arguments(arguments):
            self._annotation(argument.annotation)
        self._visit_all(arguments.defaults)
        self._visit_all(default for default in arguments.kw_defaults if default is not None)
        self._annotation(node.returns)
        for parameter in getattr(node, "type_params", ()):
            self._annotation(getattr(parameter, "bound", None))

    def _parameters(self, node: Function, in_class: bool) -> None:
        arguments = node.args
        positional = [*arguments.posonlyargs, *arguments.args]
        receiver = _receiver(node) if in_class and positional else ""
        defaults = dict(zip([a.arg for a in reversed(positional)], reversed(arguments.defaults), strict=False))
        defaults.update(
            {
                a.arg: default
                for a, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
                if default is not None
            }
        )
        for parameter in getattr(node, "type_params", ()):
            bound = annotation(getattr(parameter, "bound", None))
            self._bind(parameter.name, [(c[:-1], s) for c, s in bound if c[-1] == "!"], node.lineno)
        for argument in _arguments(arguments):
            chains = annotation(argument.annotation)
            if receiver and argument is positional[0]:
                self.frame.receiver = argument.arg
                chains = chains or [((receiver,), -1)]
            elif not chains and argument.arg in defaults:
                chains = _default_types(defaults[argument.arg])
            if argument in (arguments.vararg, arguments.kwarg):
                chains = [((*chain, "*"), -1) for chain, slot in chains if slot < 0]
            self._bind(argument.arg, chains, argument.lineno, parameter=True)

    def _paragraph_end(self, doc: ast.Constant) -> int:
        """The line where the first paragraph of a docstring ends."""
        last = doc.end_lineno or doc.lineno
        seen = False
        for number in range(doc.lineno, last + 1):
            text = self.lines[number - 1].strip().strip("\"'rRuUbBfF")
            if seen and not text:
                return number - 1
            seen = seen or bool(text)
        return last

    # names that are bound

    def _bind(
        self,
        name: str,
        chains: Iterable[tuple[Chain, int]],
        line: int,
        *,
        parameter: bool = False,
        first: int = 0,
        last: int = facts.LAST_LINE,
    ) -> None:
        self.frame.locals.add(name)
        self.builder.bind(
            self.frame.scope, name, self._typed(chains, line), parameter=parameter, line=first, end_line=last
        )

    def _variable(self, name: str, node: ast.AST, chains: Sequence[tuple[Chain, int]], kind: str = "") -> None:
        """A name that is assigned: a definition in a module or class, a local in a function."""
        frame = self.root if name in self.frame.globals else self.frame
        line, end = _lines(node)
        types = self._typed(chains, line)
        if frame.kind == "function":
            self.builder.bind(frame.scope, name, types)
            frame.locals.add(name)
            return
        self._attribute_definition(frame, name, types, (line, end), kind or _variable_kind(name))

    def _attribute_definition(
        self, frame: _Frame, name: str, types: tuple[Typed, ...], lines: tuple[int, int], kind: str, flags: int = 0
    ) -> None:
        if (number := frame.names.get(name)) is not None:
            known = self.builder.facts.definitions[number].types
            self.builder.amend(number, types=tuple(dict.fromkeys((*known, *types)))[:8])
            return
        if not name.startswith("_"):
            flags |= facts.EXPORTED
        line, end = lines
        frame.names[name] = self.builder.define(
            Definition(name, kind, frame.scope, line, end, line, min(end, line + 4), types=types, flags=flags)
        )

    def _target(self, target: ast.expr, chains: Sequence[tuple[Chain, int]], node: ast.AST) -> None:
        match target:
            case ast.Name():
                self._variable(target.id, node, chains)
            case ast.Tuple() | ast.List():
                for slot, part in enumerate(target.elts):
                    starred = isinstance(part, ast.Starred)
                    inner = part.value if isinstance(part, ast.Starred) else part
                    self._target(inner, [] if starred else _slot(chains, slot), node)
            case ast.Attribute():
                self._attribute_target(target, chains, node)
            case ast.Starred():
                self._target(target.value, [], node)
            case _:
                self._visit(target)

    def _attribute_target(self, target: ast.Attribute, chains: Sequence[tuple[Chain, int]], node: ast.AST) -> None:
        receiver = self.frame.receiver
        is_own = isinstance(target.value, ast.Name) and receiver and target.value.id == receiver
        owner = self.frame.owner
        if is_own and owner is not None:
            line, end = _lines(node)
            types = self._typed(chains, line)
            known = target.attr in owner.names
            self._attribute_definition(owner, target.attr, types, (line, end), "variable", facts.INSTANCE)
            if not known:
                return
        self.builder.use((*value_chains(target.value)[0], target.attr), "use", _end(target), self.frame.scope)
        if not is_own:
            self._visit(target.value)

    def _assign(self, node: ast.Assign) -> None:
        self._visit(node.value)
        chains = typed_values(node.value)
        for target in node.targets:
            self._target(target, chains, node)
            if isinstance(target, ast.Name) and target.id == "__all__" and self.frame is self.root:
                self._dunder_all(node.value)

    def _annotated(self, node: ast.AnnAssign) -> None:
        self._annotation(node.annotation)
        self._visit(node.value)
        is_alias = last_name(node.annotation) == "TypeAlias"
        chains = typed_values(node.value) if is_alias else annotation(node.annotation)
        if node.value is not None and all(chain[0] in ("@unknown", "@literal") for chain, _ in chains):
            chains = typed_values(node.value)
        if is_alias and isinstance(node.target, ast.Name):
            self._variable(node.target.id, node, _alias_chains(node.value), "type")
            return
        self._target(node.target, chains, node)

    def _type_alias(self, node: Any) -> None:
        self._annotation(node.value)
        self._variable(node.name.id, node, _alias_chains(node.value), "type")

    def _augmented(self, node: ast.AugAssign) -> None:
        self._visit(node.value)
        if isinstance(node.target, ast.Name):
            if node.target.id == "__all__" and self.frame is self.root:
                self._dunder_all(node.value)
            self.builder.use((node.target.id,), "use", node.lineno, self.frame.scope)
        else:
            self._target(node.target, [], node)

    def _dunder_all(self, value: ast.expr) -> None:
        for item in ast.walk(value):
            if isinstance(item, ast.Constant) and isinstance(item.value, str) and item.value.isidentifier():
                self.all.append(item.value)
                self.builder.use((item.value,), "use", item.lineno, MODULE)

    def _for(self, node: ast.For | ast.AsyncFor) -> None:
        self._visit(node.iter)
        self._loop_target(node.target, node.iter, 0, facts.LAST_LINE)
        self._visit_all(node.body)
        self._visit_all(node.orelse)

    def _loop_target(self, target: ast.expr, iterated: ast.expr, first: int, last: int) -> None:
        name = last_name(iterated.func) if isinstance(iterated, ast.Call) else ""
        arguments = iterated.args if isinstance(iterated, ast.Call) else []
        if name == "enumerate" and arguments and isinstance(target, ast.Tuple) and len(target.elts) == 2:
            self._local_target(target.elts[0], [(("@literal",), -1)], first, last)
            self._local_target(target.elts[1], _elements(arguments[0]), first, last)
        elif name == "zip" and isinstance(target, ast.Tuple) and len(target.elts) == len(arguments):
            for part, argument in zip(target.elts, arguments, strict=True):
                self._local_target(part, _elements(argument), first, last)
        else:
            self._local_target(target, _elements(iterated), first, last)

    def _local_target(self, target: ast.expr, chains: Sequence[tuple[Chain, int]], first: int, last: int) -> None:
        """A name bound by a loop, `with` or comprehension: a local even in a module."""
        match target:
            case ast.Name():
                line = target.lineno
                if target.id in self.frame.names:
                    return
                self._bind(target.id, chains, line, first=first, last=last)
            case ast.Tuple() | ast.List():
                for slot, part in enumerate(target.elts):
                    self._local_target(part, _slot(chains, slot), first, last)
            case ast.Starred():
                self._local_target(target.value, [], first, last)
            case _:
                self._target(target, chains, target)

    def _with(self, node: ast.With | ast.AsyncWith) -> None:
        for item in node.items:
            self._visit(item.context_expr)
            if item.optional_vars is not None:
                chains = [((*chain, "with"), -1) for chain in value_chains(item.context_expr)]
                self._local_target(item.optional_vars, chains, 0, facts.LAST_LINE)
        self._visit_all(node.body)

    def _handler(self, node: ast.ExceptHandler) -> None:
        self._visit(node.type)
        if node.name:
            chains = annotation_of_value(node.type) if node.type is not None else []
            self._bind(node.name, chains, node.lineno, first=node.lineno, last=node.end_lineno or node.lineno)
        self._visit_all(node.body)

    def _walrus(self, node: ast.NamedExpr) -> None:
        self._visit(node.value)
        self._variable(node.target.id, node, [(chain, -1) for chain in value_chains(node.value)])

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) -> None:
        first, last = _lines(node)
        for generator in node.generators:
            self._visit(generator.iter)
            self._loop_target(generator.target, generator.iter, first, last)
            self._visit_all(generator.ifs)
        if isinstance(node, ast.DictComp):
            self._visit(node.key)
            self._visit(node.value)
        else:
            self._visit(node.elt)

    def _lambda(self, node: ast.Lambda) -> None:
        first, last = _lines(node)
        for argument in _arguments(node.args):
            self._bind(argument.arg, [], first, parameter=True, first=first, last=last)
        self._visit_all(node.args.defaults)
        self._visit_all(default for default in node.args.kw_defaults if default is not None)
        self._visit(node.body)

    def _match_as(self, node: ast.MatchAs) -> None:
        self._visit(node.pattern)
        if node.name:
            of_class = node.pattern.cls if isinstance(node.pattern, ast.MatchClass) else None
            self._bind(node.name, annotation_of_value(of_class) if of_class else [], node.lineno)

    def _match_star(self, node: ast.MatchStar) -> None:
        if node.name:
            self._bind(node.name, [], node.lineno)

    def _match_mapping(self, node: ast.MatchMapping) -> None:
        self._children(node)
        if node.rest:
            self._bind(node.rest, [], node.lineno)

    def _global(self, node: ast.Global) -> None:
        self.frame.globals.update(node.names)

    # narrowing: `isinstance` says more than a parameter without annotation

    def _if(self, node: ast.If) -> None:
        self._visit(node.test)
        if node.body:
            self._narrow(node.test, node.body[0].lineno, _end(node.body[-1]))
        if isinstance(node.test, ast.UnaryOp) and isinstance(node.test.op, ast.Not) and _leaves(node.body):
            self._narrow(node.test.operand, _end(node.body[-1]) + 1, facts.LAST_LINE)
        self._visit_all(node.body)
        self._visit_all(node.orelse)

    def _assert(self, node: ast.Assert) -> None:
        self._children(node)
        self._narrow(node.test, _end(node) + 1, facts.LAST_LINE)

    def _narrow(self, test: ast.expr, first: int, last: int) -> None:
        if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
            for part in test.values:
                self._narrow(part, first, last)
            return
        if not (isinstance(test, ast.Call) and last_name(test.func) == "isinstance" and len(test.args) == 2):
            return
        subject = test.args[0]
        if isinstance(subject, ast.Name) and self.frame.kind == "function" and subject.id in self.frame.locals:
            chains = annotation_of_value(test.args[1])
            self._bind(subject.id, chains, test.lineno, first=first, last=last)

    # results

    def _return(self, node: ast.Return) -> None:
        self._visit(node.value)
        if node.value is not None:
            self.frame.returns.extend(typed_values(node.value))

    def _yield(self, node: ast.Yield) -> None:
        self._visit(node.value)
        if not self.frame.yields:
            self.frame.returns.clear()
        self.frame.yields = True
        if node.value is not None:
            self.frame.returns.extend((chain, -1) for chain in value_chains(node.value))

    def _yield_from(self, node: ast.YieldFrom) -> None:
        self._visit(node.value)
        self.frame.yields = True
        self.frame.returns.extend(((*chain, "[]"), -1) for chain in value_chains(node.value))

    # uses

    def _name(self, node: ast.Name) -> None:
        if not isinstance(node.ctx, ast.Store):
            self.builder.use((node.id,), "use", node.lineno, self.frame.scope)

    def _attribute(self, node: ast.Attribute) -> None:
        self._use_attribute(node, "use")

    def _use_attribute(self, node: ast.Attribute, kind: str) -> None:
        line = _end(node)
        for chain in value_chains(node.value):
            self.builder.use((*chain, node.attr), kind, line, self.frame.scope)
        self._visit(node.value)

    def _subscript(self, node: ast.Subscript) -> None:
        if isinstance(node.ctx, ast.Load) and is_generic(last_name(node.value)):
            self._annotation(node)
        else:
            self._children(node)

    def _call(self, node: ast.Call) -> None:
        match node.func:
            case ast.Name():
                self.builder.use((node.func.id,), "call", node.func.lineno, self.frame.scope)
            case ast.Attribute():
                self._use_attribute(node.func, "call")
            case _:
                self._visit(node.func)
        if last_name(node.func) in ("cast", "TypeVar") and node.args:
            self._annotation(node.args[0])
            self._visit_all(node.args[1:])
        else:
            self._visit_all(node.args)
        for word in node.keywords:
            if word.arg == "bound":
                self._annotation(word.value)
            else:
                self._visit(word.value)

    def _annotation(self, node: ast.expr | None) -> None:
        """Names in an annotation, those in strings included."""
        match node:
            case None:
                return
            case ast.Constant():
                self._visit(parsed(node))
            case ast.Subscript():
                self._visit(node.value)
                if last_name(node.value) != "Literal":
                    self._annotation(node.slice)
            case ast.Tuple() | ast.List():
                for item in node.elts:
                    self._annotation(item)
            case ast.BinOp():
                self._annotation(node.left)
                self._annotation(node.right)
            case _:
                self._visit(node)

    # what imports bring in

    def _import(self, node: ast.Import) -> None:
        for alias in node.names:
            line = getattr(alias, "lineno", node.lineno)
            local = alias.asname or alias.name.partition(".")[0]
            binds = "" if alias.asname or "." not in alias.name else local
            self.builder.imported(Import(local, alias.name, "", self.frame.scope, line, binds))
            self.frame.locals.add(local)

    def _import_from(self, node: ast.ImportFrom) -> None:
        module = "." * node.level + (node.module or "")
        for alias in node.names:
            line = getattr(alias, "lineno", node.lineno)
            local = "" if alias.name == "*" else alias.asname or alias.name
            self.builder.imported(Import(local, module, alias.name, self.frame.scope, line))
            self.frame.locals.add(local)


def annotation_of_value(node: ast.expr) -> list[tuple[Chain, int]]:
    """What an instance of the class, or of one of a tuple of classes, is: `except (A, B)`, `isinstance(x, A)`."""
    if isinstance(node, ast.Tuple):
        return [one for item in node.elts[:6] for one in annotation_of_value(item)]
    return annotation(node) if isinstance(node, ast.Name | ast.Attribute | ast.BinOp) else []


def _alias_chains(node: ast.expr | None) -> list[tuple[Chain, int]]:
    """The types an alias names."""
    match node:
        case ast.BinOp():
            return _alias_chains(node.left) + _alias_chains(node.right)
        case ast.Constant():
            return _alias_chains(parsed(node))
        case ast.Name() | ast.Attribute():
            return [(value_chains(node)[0], -1)]
        case _:
            return [(("@unknown",), -1)]


def _elements(node: ast.expr) -> list[tuple[Chain, int]]:
    return [((*chain, "[]"), -1) for chain in value_chains(node)]


def _slot(chains: Sequence[tuple[Chain, int]], slot: int) -> list[tuple[Chain, int]]:
    """One of several results: those already apart, or that slot of each."""
    apart = [(chain, -1) for chain, at in chains if at == slot]
    return apart or [((*chain, f"#{slot}"), -1) for chain, at in chains if at < 0]


def _default_types(node: ast.expr) -> list[tuple[Chain, int]]:
    chains = [(chain, -1) for chain in value_chains(node)]
    return [] if isinstance(node, ast.Constant) and node.value is None else chains


def _arguments(arguments: ast.arguments) -> list[ast.arg]:
    extra = [argument for argument in (arguments.vararg, arguments.kwarg) if argument is not None]
    return [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, *extra]


def _returned(node: Function, in_class: bool) -> list[tuple[Chain, int]]:
    """What an annotation says is returned; `def f(self: T) -> T` returns whatever it was called on."""
    found = annotation(node.returns)
    first = next(iter([*node.args.posonlyargs, *node.args.args]), None)
    if not in_class or first is None or first.annotation is None:
        return found
    own = annotation(first.annotation)
    return [(("@self",), slot) if (chain, slot) in own else (chain, slot) for chain, slot in found]


def _receiver(node: Function) -> str:
    names = {last_name(decorator) for decorator in node.decorator_list}
    if "staticmethod" in names:
        return ""
    return "@class" if "classmethod" in names or node.name in _CLASS_RECEIVERS else "@self"


def _function_flags(node: Function, in_class: bool) -> int:
    flags = facts.ASYNC if isinstance(node, ast.AsyncFunctionDef) else 0
    for decorator in node.decorator_list:
        name = last_name(decorator)
        if name == "overload":
            flags |= facts.OVERLOAD
        if in_class and (name.endswith("property") or name in _PROPERTIES):
            flags |= facts.PROPERTY
        if name == "staticmethod":
            flags |= facts.STATIC
        if name == "classmethod":
            flags |= facts.CLASS_METHOD
    if in_class and node.name in ("__init__", "__new__"):
        flags |= facts.CONSTRUCTOR
    return flags


def _gives_up(node: Function) -> bool:
    """Whether a body only raises or is empty: what it returns is for others to say."""
    last = node.body[-1]
    is_ellipsis = isinstance(last, ast.Expr) and isinstance(last.value, ast.Constant)
    return isinstance(last, ast.Raise | ast.Pass) or is_ellipsis


def _leaves(body: Sequence[ast.stmt]) -> bool:
    return bool(body) and isinstance(body[-1], ast.Return | ast.Raise | ast.Continue | ast.Break)


def _variable_kind(name: str) -> str:
    return "constant" if name.isupper() and len(name) > 1 else "variable"


def _docstring_node(body: Sequence[ast.stmt]) -> ast.Constant | None:
    first = body[0] if body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        return first.value
    return None


def _leading_comment(lines: Sequence[str]) -> tuple[int, int]:
    start = 0
    for number, line in enumerate(lines[:60], 1):
        text = line.strip()
        if text.startswith("#"):
            if not start and not (number == 1 and text.startswith("#!")) and "coding" not in text:
                start = number
        elif text or start:
            return (start, number - 1) if start else (0, 0)
    return (0, 0)


def _lines(node: ast.AST) -> tuple[int, int]:
    line: int = getattr(node, "lineno", 1)
    return line, getattr(node, "end_lineno", None) or line


def _end(node: ast.AST) -> int:
    return _lines(node)[1]
