"""Describes the server's API: GET /openapi.json, in OpenAPI 3.1, and GET /docs, which shows it in a browser."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from serving import content
from serving.columns import ANY, NUMBER, Column, InputSchema
from serving.errors import BadRequest, HandlerFailed, NotAcceptable, Overloaded, TooLarge, UnsupportedMediaType
from serving.media_types import CSV, JSON, JSON_LINES
from serving.models import Model
from serving.request import Response
from serving.settings import Settings
from serving.tables import make_reader
from serving.values import type_of

Schema = dict[str, Any]

ERRORS = (BadRequest, NotAcceptable, TooLarge, UnsupportedMediaType, HandlerFailed, Overloaded)
TEXT, WHOLE, OBJECT = {"type": "string"}, {"type": "integer"}, {"type": "object"}
DATE = {**TEXT, "format": "date-time", "description": "Such as 2024-05-31 or 2024-05-31T12:00:00."}
TYPES: Mapping[str, tuple[Schema, Any]] = {  # column type -> schema, and a value for columns without an example
    "double": ({"type": "number", "format": "double"}, 0),
    "float": ({"type": "number", "format": "float"}, 0),
    "long": ({"type": "integer", "format": "int64"}, 0),
    "integer": ({"type": "integer", "format": "int32"}, 0),
    "boolean": ({"type": "boolean"}, False),
    "string": (TEXT, "text"),
    "datetime": (DATE, "2024-05-31"),
    NUMBER: ({"type": "number"}, 0),
    ANY: ({}, 0),
}
ABOUT = "The keys inputs, features, input and data are equivalent to instances. An object can also have parameters."
RECORDS: Schema = {  # the request of a model without columns
    "description": ABOUT,
    "anyOf": [
        {
            **OBJECT,
            "properties": {"instances": {"description": "The records, in the form the model takes."}},
            "oneOf": [{"required": [key]} for key in content.ENVELOPES],
        },
        {"type": "array"},
    ],
}


def show_docs() -> Response:
    """Answer GET /docs."""
    return Response(200, Path(__file__).with_name("docs.html").read_bytes(), "text/html; charset=utf-8")


def describe(model: Model, settings: Settings) -> Response:
    """Answer GET /openapi.json."""
    anything: Schema = {"*/*": {}}  # for script mode (script_mode.py)
    takes, responses, schemas = (anything, anything, {}) if model.transform else describe_bodies(model, settings)
    schemas["Error"] = keyed(error=TEXT)
    schemas["Limits"] = keyed(MaxConcurrentTransforms=WHOLE, BatchStrategy=TEXT, MaxPayloadInMB=WHOLE)
    failures = {str(each.status): respond(str(each.__doc__), to_content("Error")) for each in ERRORS}
    invoke = {
        "operationId": "invoke",
        "requestBody": {"required": True, "content": takes},
        "responses": {"200": respond("The predictions.", responses), **failures},
    }
    ready = respond("The model is loaded.", {JSON: {}})
    limits = respond("Recommended settings for batch transform.", to_content("Limits"))
    paths = {
        "/invocations": {"post": invoke},
        "/ping": {"get": {"operationId": "ping", "responses": {"200": ready}}},
        "/execution-parameters": {"get": {"operationId": "executionParameters", "responses": {"200": limits}}},
    }
    info = {"title": "Model server", "version": "1"}
    document = {"openapi": "3.1.0", "info": info, "paths": paths, "components": {"schemas": schemas}}
    return Response(200, content.to_json_line(document))


def describe_bodies(model: Model, settings: Settings) -> tuple[Schema, Schema, Schema]:
    """Return the request and response bodies of /invocations by media type, and the schemas they refer to."""
    schemas, examples = describe_columns(model.schema) if model.schema else ({"Request": RECORDS}, {})
    schemas["Response"] = describe_response(model)
    takes = to_content("Request", {**content.DECODERS, **model.decoders})
    responses = to_content("Response", [model.media_type] if model.media_type else settings.response_types)
    return {each: {**body, **examples.get(each, {})} for each, body in takes.items()}, responses, schemas


def describe_columns(inputs: InputSchema) -> tuple[dict[str, Schema], dict[str, Schema]]:
    """Return the schemas of the JSON forms of a request with named columns, and examples by media type."""
    columns = {column.name: schema_of(column) for column in inputs.columns}
    record = {column.name: example_of(column) for column in inputs.columns}
    names, values = list(record), list(record.values())
    required = [column.name for column in inputs.columns if not column.can_be_omitted]
    by_name = {**OBJECT, "required": required, "additionalProperties": make_reader(inputs).ignores_extra}
    schemas = {
        "Record": {**by_name, "properties": columns},
        "Row": {"type": "array", "prefixItems": [*columns.values()], "minItems": len(names), "maxItems": len(names)},
        "Columns": {**by_name, "properties": {name: array(schema) for name, schema in columns.items()}},
    }
    records, rows, table = ({**array(each), "minItems": 1} for each in (refer("Record"), refer("Row"), array({})))
    split = keyed(columns=array(TEXT), data=table)
    forms = {
        "Objects": (keyed(instances=records), {"instances": [record]}),
        "Table": (keyed(columns=array(TEXT), instances=table), {"columns": names, "instances": [values]}),
        "Lists": (keyed(instances=rows), {"instances": [values]}),
        "By column": (keyed(inputs=refer("Columns")), {"inputs": {name: [value] for name, value in record.items()}}),
        "Split": (keyed(dataframe_split=split), {"dataframe_split": {"columns": names, "data": [values]}}),
        "Records": (keyed(dataframe_records=records), {"dataframe_records": [record]}),
        "Array": (array({"anyOf": [refer("Record"), refer("Row")]}), [record]),
    }
    any_form = [{"title": title, **schema} for title, (schema, _) in forms.items()]
    return {**schemas, "Request": {"description": ABOUT, "anyOf": any_form}}, {
        JSON: {"examples": {title: {"value": example} for title, (_, example) in forms.items()}},
        JSON_LINES: {"example": content.to_json_line(record).decode()},
        CSV: {"example": content.to_csv([names, values]).decode()},
    }


def describe_response(model: Model) -> Schema:
    """Return the schema of a JSON response, with the types of the outputs in signature.json."""
    types = [TYPES.get(str(each.type), TYPES[ANY])[0] for each in model.outputs]
    by_name = {str(each.name): schema for each, schema in zip(model.outputs, types, strict=True)}
    several = {"type": ["array", "object"], "prefixItems": types, "properties": by_name}
    extra = {"description": 'Returned for {"parameters": {"probabilities": true}}, if the model supports it.'}
    response = keyed(
        predictions=array(types[0] if len(types) == 1 else several if types else {}),
        probabilities={**array(array({})), **extra},
        classes={**array({}), **extra},
    )
    return {**response, "required": ["predictions"] if model.outputs else []}


def schema_of(column: Column) -> Schema:
    """Return the schema of a column's values."""
    if known := column.values or (column.refuses_unknown and column.categories):
        return {"enum": [*known, *([] if column.required else [None])]}
    schema = TYPES[column.type][0]
    if column.categories:
        schema = {**TYPES[type_of(column.categories)][0], "examples": [*column.categories]}
    return {**schema, "type": [schema["type"], "null"]} if "type" in schema and not column.required else schema


def example_of(column: Column) -> Any:
    """Return an example value of a column."""
    if column.example is not None:
        return column.example
    return column.categories[0] if column.categories else TYPES[column.type][1]


def keyed(**properties: Schema) -> Schema:
    """Return the schema of an object with these required properties."""
    return {**OBJECT, "properties": properties, "required": [*properties]}


def array(items: Schema) -> Schema:
    """Return the schema of an array of such items."""
    return {"type": "array", "items": items}


def refer(name: str) -> Schema:
    """Return a reference to one of the document's schemas."""
    return {"$ref": f"#/components/schemas/{name}"}


def to_content(name: str, media_types: Iterable[str] = (JSON,)) -> dict[str, Schema]:
    """Return a body of this schema in JSON, and of text or bytes in other media types."""
    texts = {each: {"schema": TEXT} for each in media_types if each.startswith("text/") or each == JSON_LINES}
    return {each: {"schema": refer(name)} if each == JSON else texts.get(each, {}) for each in media_types}


def respond(description: str, bodies: Schema) -> Schema:
    """Return a response object."""
    return {"description": description, "content": bodies}
