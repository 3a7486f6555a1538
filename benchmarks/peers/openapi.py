"""Check answers against an OpenAPI 3.0 description: `python openapi.py JOB`.

Runs in the peers' environment, which has jsonschema. JOB is JSON and names three files:
`description`; `answers`, `[{"name", "template", "method", "status", "content_type", "body"}]`; and
`result`, where `[{"name", "described", "errors", "unknown"}]` is written.
"""

import json
import sys
from pathlib import Path
from typing import Any

from jsonschema import Draft4Validator, FormatChecker


def converted(schema: Any) -> Any:
    """A schema of OpenAPI 3.0 as JSON Schema, draft 4: `nullable` is said by a type there."""
    if isinstance(schema, list):
        return [converted(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    known = {key: converted(value) for key, value in schema.items()
             if key not in ("example", "examples", "discriminator")}  # fmt: skip
    if known.pop("nullable", None) is not True:
        return known
    return {"anyOf": [known, {"type": "null"}]}


def response_schema(described: Any, answer: dict[str, Any]) -> tuple[bool, Any]:
    """Whether the description lists this status for the route, and the schema of its body."""
    operation = described["paths"].get(answer["template"], {}).get(answer["method"].lower(), {})
    response = operation.get("responses", {}).get(str(answer["status"]))
    if answer["status"] == 304:  # never has a body, described or not
        return response is not None, None
    if response is None:
        return False, {"$ref": "#/components/schemas/basic-error"}
    if "$ref" in response:
        response = described["components"]["responses"][response["$ref"].rpartition("/")[2]]
    content = response.get("content", {})
    media = content.get(answer["content_type"]) or content.get("application/json")
    return True, media["schema"] if media else None


def unknown_fields(described: Any, schema: Any, value: Any, at: str = "") -> list[str]:
    """Fields of an answer that the description does not name."""
    schema = resolved(described, schema)
    if isinstance(value, list):
        items = schema.get("items", {})
        inside = [unknown_fields(described, items, each, f"{at}[]") for each in value]
        return sorted({field for fields in inside for field in fields})
    properties = properties_of(described, schema)
    if not isinstance(value, dict) or not properties:
        return []
    found: list[str] = []
    for key, each in value.items():
        if key not in properties:
            found.append(f"{at}.{key}")
        else:
            found += unknown_fields(described, properties[key], each, f"{at}.{key}")
    return found


def resolved(described: Any, schema: Any) -> Any:
    """The schema that a reference names."""
    while isinstance(schema, dict) and "$ref" in schema:
        schema = described["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema or {}


def properties_of(described: Any, schema: Any) -> dict[str, Any]:
    """All properties that a schema names, its alternatives included."""
    found = dict(schema.get("properties", {}))
    for key in ("allOf", "anyOf", "oneOf"):
        for each in schema.get(key, ()):
            found = {**properties_of(described, resolved(described, each)), **found}
    return found


def main() -> None:
    """Check every answer."""
    job = json.loads(sys.argv[1])
    described = json.loads(Path(job["description"]).read_text(encoding="utf-8"))
    components = converted({"schemas": described["components"]["schemas"]})
    found = []
    for answer in json.loads(Path(job["answers"]).read_text(encoding="utf-8")):
        listed, schema = response_schema(described, answer)
        errors: list[str] = []
        unknown: list[str] = []
        if schema is None:
            if answer["body"] not in (None, ""):
                errors.append("a body where none is described")
        else:
            whole = {"allOf": [converted(schema)], "components": components}
            validator = Draft4Validator(whole, format_checker=FormatChecker())
            errors = [f"{error.json_path}: {error.message[:200]}"
                      for error in validator.iter_errors(answer["body"])]  # fmt: skip
            unknown = unknown_fields(described, schema, answer["body"])
        found.append({"name": answer["name"], "described": listed,
                      "errors": errors, "unknown": unknown})  # fmt: skip
    Path(job["result"]).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()
