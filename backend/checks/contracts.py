"""Import rules of the house for import-linter: about single imports, room by room.

The floors themselves are an ordinary `layers` contract; these know what is furniture and what is a room.
"""

from abc import abstractmethod
from typing import Any

import grimp
from importlinter import Contract, ContractCheck, fields, output

# Bottom to top; a file may import those before it in its own room. Equal numbers stand side by side.
FURNITURE = {
    "model": 0, "ports": 1, "tables": 2, "repository": 3, "service": 4, "schemas": 5, "routes": 6, "tasks": 6,
}  # fmt: skip
PRIVATE = ("tables", "repository")


class _EveryImport(Contract):
    """Looks at every direct import and asks one question about it."""

    def check(self, graph: grimp.ImportGraph, verbose: bool) -> ContractCheck:
        """Collect a complaint for each import that breaks the rule."""
        complaints = []
        for importer in sorted(graph.modules):
            if graph.is_module_squashed(importer):
                continue
            for imported in sorted(graph.find_modules_directly_imported_by(importer)):
                complaint = self.complaint(importer, imported)
                if complaint:
                    details = graph.get_import_details(importer=importer, imported=imported)
                    lines = ", ".join(f"l.{detail['line_number']}" for detail in details)
                    complaints.append(f"{importer} -> {imported} ({lines}): {complaint}")
        return ContractCheck(kept=not complaints, metadata={"complaints": complaints})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Print each complaint."""
        for complaint in check.metadata["complaints"]:
            output.print_error(complaint)

    @abstractmethod
    def complaint(self, importer: str, imported: str) -> str | None:
        """Say what is wrong with an import, if anything is."""


def _values(field: Any) -> set[str]:
    """Give what the configuration holds for a field (import-linter puts it where the field was declared)."""
    return field or set()


def _place(module: str) -> tuple[str, str] | None:
    """Split bitcurrent.trading.tables into its room and its piece of furniture."""
    parts = module.split(".")
    return (parts[1], parts[2]) if parts[0] == "bitcurrent" and len(parts) > 2 else None


class FurnitureOrder(_EveryImport):
    """Inside a room, a file imports only those below it."""

    def complaint(self, importer: str, imported: str) -> str | None:
        """Complain about an import upwards or sideways."""
        here, there = _place(importer), _place(imported)
        if here is None or there is None or here[0] != there[0] or here[1] == there[1]:
            return None
        if here[1] not in FURNITURE or there[1] not in FURNITURE:
            return None
        wrong = FURNITURE[here[1]] <= FURNITURE[there[1]]
        return f"in a room, {here[1]} stands below {there[1]}" if wrong else None


class PrivateFurniture(_EveryImport):
    """Tables and repositories are seen by their own room only."""

    allowed = fields.SetField(subfield=fields.StringField(), required=False)

    def complaint(self, importer: str, imported: str) -> str | None:
        """Complain about a look into another room's drawers."""
        there = _place(imported)
        if there is None or there[1] not in PRIVATE or importer in _values(self.allowed):
            return None
        here = _place(importer)
        return None if here is not None and here[0] == there[0] else f"{there[1]} are private to {there[0]}"


class OnlyAtTheEdge(_EveryImport):
    """Vendors' SDKs and HTTP clients are used by integrations only."""

    packages = fields.SetField(subfield=fields.StringField())
    allowed = fields.SetField(subfield=fields.StringField(), required=False)

    def complaint(self, importer: str, imported: str) -> str | None:
        """Complain about talking to the outside from within."""
        package = imported.partition(".")[0]
        if package not in _values(self.packages) or not importer.startswith("bitcurrent."):
            return None
        if importer.startswith("bitcurrent.integrations.") or importer in _values(self.allowed):
            return None
        return "only integrations talk to the outside; declare a port"
