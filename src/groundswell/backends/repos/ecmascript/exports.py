"""What a module imports and exports by the words of the language."""

from ast_grep_py import SgNode

from groundswell.backends.repos import facts
from groundswell.backends.repos.ecmascript.assignments import Assignments
from groundswell.backends.repos.ecmascript.nodes import FUNCTION_VALUES, line_of, name_or, unwrapped
from groundswell.backends.repos.ecmascript.values import UNKNOWN, Where
from groundswell.backends.repos.facts import MODULE, Import


class Exports(Assignments):
    """Reads import and export statements."""

    def _import(self, node: SgNode, at: Where) -> None:
        source = node.field("source")
        line = line_of(node)
        for child in node.named_children():
            if child.kind() == "import_require_clause":  # `import x = require("y")`
                names = [part for part in child.named_children() if part.kind() == "identifier"]
                module = next((p.text()[1:-1] for p in child.named_children() if p.kind() == "string"), "")
                if names and module:
                    self.builder.imported(Import(names[0].text(), module, "", at.scope, line))
                return
        if source is None:
            return
        module = source.text()[1:-1]
        clauses = [child for child in node.named_children() if child.kind() == "import_clause"]
        if not clauses:
            self.builder.imported(Import("", module, "", at.scope, line))
        for part in clauses[0].named_children() if clauses else ():
            if part.kind() == "identifier":
                self.builder.imported(Import(part.text(), module, "default", at.scope, line_of(part)))
            elif part.kind() == "namespace_import":
                self.builder.imported(Import(part.named_children()[-1].text(), module, "", at.scope, line_of(part)))
            elif part.kind() == "named_imports":
                self._named_imports(part, module, at)

    def _named_imports(self, node: SgNode, module: str, at: Where) -> None:
        for specifier in node.named_children():
            name, alias = specifier.field("name"), specifier.field("alias")
            if name is not None:
                local = (alias or name).text()
                self.builder.imported(Import(local, module, name.text().strip("\"'"), at.scope, line_of(name)))

    def _export(self, node: SgNode, at: Where) -> None:
        source = node.field("source")
        if source is not None:
            self._export_from(node, source.text()[1:-1], at)
            return
        declaration, value = node.field("declaration"), node.field("value")
        words = {child.kind() for child in node.children()}
        self._decorators(node, at)
        if declaration is not None:
            self.visit(declaration, at)
            name = declaration.field("name")
            if "default" in words:
                self.builder.facts.exports["default"] = (name_or(name, "default"),)
        elif value is not None:
            self._export_default(node, value, at)
        elif "=" in words:  # `export = x`
            inner = node.named_children()
            self.builder.facts.exports["="] = self.chain(inner[-1], at) if inner else UNKNOWN
            self._all(inner, at)
        for clause in node.named_children():
            if clause.kind() == "export_clause":
                for specifier in clause.named_children():
                    self._export_specifier(specifier, at)

    def _export_specifier(self, node: SgNode, at: Where) -> None:
        name, alias = node.field("name"), node.field("alias")
        if name is not None:
            self.builder.facts.exports[(alias or name).text().strip("\"'")] = (name.text(),)
            self.builder.use((name.text(),), "import", line_of(name), at.scope)

    def _export_default(self, node: SgNode, value: SgNode, at: Where) -> None:
        exports, plain = self.builder.facts.exports, unwrapped(value) or value
        if plain.kind() in FUNCTION_VALUES:
            name = plain.field("name")
            self._function_definition(
                node, plain, name or plain, at, parent=MODULE, flags=facts.EXPORTED, text=name_or(name, "default")
            )
            exports["default"] = (name_or(name, "default"),)
        elif plain.kind() == "class":
            name = plain.field("name")
            self._read_class(node, plain, name or plain, at, text=name_or(name, "default"))
            exports["default"] = (name_or(name, "default"),)
        elif plain.kind() == "identifier":
            exports["default"] = (plain.text(),)
            self.builder.use((plain.text(),), "import", line_of(plain), at.scope)
        else:
            number = self._define("default", "variable", MODULE, node, plain, node, flags=facts.EXPORTED)
            self._typed(number, self.kinds(value, at), at.scope, line_of(node))
            self._value(value, number, at)

    def _export_from(self, node: SgNode, module: str, at: Where) -> None:
        line = line_of(node)
        clauses = [child for child in node.named_children() if child.kind() in ("export_clause", "namespace_export")]
        if not clauses:
            self.builder.imported(Import("", module, "*", at.scope, line, exported="*"))
        for clause in clauses:
            if clause.kind() == "namespace_export":
                name = clause.named_children()[-1].text()
                self.builder.imported(Import("", module, "", at.scope, line, exported=name))
                continue
            for specifier in clause.named_children():
                name, alias = specifier.field("name"), specifier.field("alias")
                if name is not None:
                    exported = (alias or name).text().strip("\"'")
                    entry = Import("", module, name.text().strip("\"'"), at.scope, line_of(name), exported=exported)
                    self.builder.imported(entry)
