"""Every resource that was made up, by type and id, as the plain objects that the bank's API answers with.

In: resources from the builders. Out: the same, by id or as lists. The stand-in's API and trigger read them as well.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Resource = dict[str, Any]


class Books:
    """All resources in memory, in the order they came. `items` are the payments of each bulk order, by its id."""

    def __init__(self) -> None:
        self._by_type: dict[str, dict[str, Resource]] = {}
        self.items: dict[str, list[Resource]] = {}

    def add(self, resource_type: str, resource: Resource) -> Resource:
        """Keep a resource under its id; one that has the id already gives way. Returns it."""
        self._by_type.setdefault(resource_type, {})[str(resource["id"])] = resource
        return resource

    def get(self, resource_type: str, resource_id: str) -> Resource | None:
        """Return one resource, or None."""
        return self._by_type.get(resource_type, {}).get(resource_id)

    def all(self, resource_type: str) -> list[Resource]:
        """Return all resources of a type, oldest first."""
        return list(self._by_type.get(resource_type, {}).values())

    def types(self) -> Iterable[str]:
        """Return the types there are resources of."""
        return self._by_type.keys()

    def forget(self, resource_type: str, resource_id: str) -> None:
        """Remove a resource, if it is there."""
        self._by_type.get(resource_type, {}).pop(resource_id, None)

    def account_of_iban(self, iban: str) -> Resource | None:
        """Return the account that an IBAN of ours, main or virtual, belongs to."""
        for known in self.all("iban"):
            if known["iban"] == iban and not known["is_deleted"]:
                return self.get("account", known["account_id"])
        return None
