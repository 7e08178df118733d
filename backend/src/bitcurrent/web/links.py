"""Links of the OpenAPI document: where an id that one answer names can be used next.

They follow from the addresses: what `POST /api/orders` answers and what `GET /api/orders` lists is what
`/api/orders/{order_id}` is about. Programs and the tests that make up requests follow them.
"""

from typing import Any

Json = dict[str, Any]


def add_links(document: Json) -> None:
    """Add to each answer that names a thing the operations on that thing."""
    for path, item in document["paths"].items():
        collection, _, rest = path.partition("/{")
        name = rest.partition("}")[0]
        # One thing of one list: /orders/{order_id} and /orders/{order_id}/cancel, and nothing below another thing.
        if not rest or "{" in rest or collection not in document["paths"]:
            continue
        targets = [operation for operation in item.values() if "operationId" in operation]
        for source in document["paths"][collection].values():
            for status, answer in source.get("responses", {}).items():
                schema = answer.get("content", {}).get("application/json", {}).get("schema")
                if not status.startswith("2") or schema is None:
                    continue
                place = _find(document, schema, (name, "id"))
                if place is None:
                    continue
                links = answer.setdefault("links", {})
                for target in targets:
                    links[target["operationId"]] = {
                        "operationId": target["operationId"],
                        "parameters": {name: f"$response.body#{place}"},
                    }


def _find(document: Json, schema: Json, names: tuple[str, ...], depth: int = 3) -> str | None:
    """Where an answer of this schema holds a field of one of these names, as a JSON pointer."""
    if "$ref" in schema:
        return _find(document, document["components"]["schemas"][schema["$ref"].rpartition("/")[2]], names, depth)
    ways = [*schema.get("anyOf", []), *schema.get("oneOf", [])]
    if ways:
        return next((found for way in ways if (found := _find(document, way, names, depth)) is not None), None)
    if depth == 0:
        return None
    if schema.get("type") == "array":
        inside = _find(document, schema["items"], names, depth - 1)
        return None if inside is None else f"/0{inside}"
    known: Json = schema.get("properties", {})
    for name in names:
        if name in known:
            return f"/{name}"
    for name, part in known.items():
        inside = _find(document, part, names, depth - 1)
        if inside is not None:
            return f"/{name}{inside}"
    return None
