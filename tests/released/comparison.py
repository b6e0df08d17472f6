"""Whether a schema may take the place of another: what of the change would break whoever goes by the old one. Pure.

Strategy: one question, whether all that `inner` allows is allowed by `outer`, asked in the direction of the messages.
Events we write: what the new schema allows, those who hold the old one must take. Commands we read: what the old one
allowed, the new one must take. Rules (`if`, `oneOf`) are compared as they stand. What both sides read and write, the
words of an enumeration, is neither taken away from events nor added to them: one waits for it, the other has no branch.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

Schema = dict[str, Any]

_MOST, _LEAST = ("maxLength", "maxItems", "maximum"), ("minLength", "minItems", "minimum")
_SAME = ("pattern", "format", "contentEncoding", "const")
_RULES = ("allOf", "oneOf", "if")


class _Side(NamedTuple):
    """A schema, and the document that its references are of."""

    schema: Schema
    root: Schema

    def at(self, schema: Schema) -> "_Side":
        while (reference := schema.get("$ref", "")).startswith("#/$defs/"):
            schema = self.root["$defs"][reference.removeprefix("#/$defs/")]
        return _Side(schema, self.root)


@dataclass(frozen=True)
class _Comparison:
    """`written`: inner is new, outer old, because we write it; else inner is old and outer new."""

    written: bool

    def within(self, inner: _Side, outer: _Side, path: str) -> Iterator[str]:
        """What inner allows, and outer does not."""
        for alternative in _alternatives(inner):
            found = [[*self._alternative(alternative, each, path)] for each in _alternatives(outer, alternative)]
            if not found:
                yield f"{path}: {self._says('may be', 'may no longer be')} {alternative.schema.get('type', 'anything')}"
            elif all(found):
                yield from min(found, key=len)

    def _says(self, written: str, read: str) -> str:
        return written if self.written else read

    def _alternative(self, inner: _Side, outer: _Side, path: str) -> Iterator[str]:
        yield from self._bounds(inner.schema, outer.schema, path)
        yield from self._words(inner.schema, outer.schema, path)
        yield from self._properties(inner, outer, path)
        if rules := _rules(outer.schema) - _rules(inner.schema):
            yield f"{path}: {self._says('no longer holds', 'now has to hold')}: {', '.join(sorted(rules))}"
        if isinstance(items := outer.schema.get("items"), dict):
            yield from self.within(inner.at(inner.schema.get("items", {})), outer.at(items), f"{path}[]")

    def _bounds(self, inner: Schema, outer: Schema, path: str) -> Iterator[str]:
        for names, sign in ((_MOST, 1), (_LEAST, -1)):
            for name in names:
                if name in outer and (name not in inner or inner[name] * sign > outer[name] * sign):
                    yield f"{path}: {name} {outer[name]} {self._says('no longer holds', 'now has to hold')}"
        for name in _SAME:
            if name in outer and inner.get(name) != outer[name]:
                yield f"{path}: {name} {outer[name]} {self._says('no longer holds', 'now has to hold')}"

    def _words(self, inner: Schema, outer: Schema, path: str) -> Iterator[str]:
        if "enum" not in outer:
            return
        if "enum" not in inner:
            yield f"{path}: {self._says('may be any word', 'takes certain words alone')}"
            return
        for word in _minus(inner["enum"], outer["enum"]):
            yield f"{path}: {word!r} {self._says('is new', 'is gone')}"
        if self.written:
            yield from (f"{path}: {word!r} is gone" for word in _minus(outer["enum"], inner["enum"]))

    def _properties(self, inner: _Side, outer: _Side, path: str) -> Iterator[str]:
        has, wanted = inner.schema.get("properties", {}), outer.schema.get("properties", {})
        for name in _minus(outer.schema.get("required", []), inner.schema.get("required", [])):
            yield f"{path}.{name}: {self._says('no longer always there', 'has to be there now')}"
        if self.written:
            yield from (f"{path}.{name}: is gone" for name in _minus([*wanted], [*has]))
        more = outer.schema.get("additionalProperties", True)
        if more is False:
            yield from (f"{path}.{name}: {self._says('is new', 'is gone')}" for name in _minus([*has], [*wanted]))
            if inner.schema.get("additionalProperties", True) is not False:
                yield f"{path}: {self._says('may have other properties', 'may no longer have other properties')}"
        elif isinstance(more, dict):
            others = inner.schema.get("additionalProperties", {})
            yield from self.within(inner.at(others if isinstance(others, dict) else {}), outer.at(more), f"{path}.*")
        for name in has.keys() & wanted.keys():
            yield from self.within(inner.at(has[name]), outer.at(wanted[name]), f"{path}.{name}")


def breaking(old: Schema, new: Schema, *, written: bool) -> list[str]:
    """What of a change would break somebody, each by its path; empty where only something was added.

    `written`: whether it is of what we write (events), else of what we read (commands).
    """
    inner, outer = (new, old) if written else (old, new)
    found = [*_Comparison(written).within(_Side(inner, inner), _Side(outer, outer), "")]
    for name, each in old.get("$defs", {}).items():
        if "$id" not in each:  # what has a name of its own is a schema of its own
            continue
        elsewhere = new.get("$defs", {}).get(name)
        found += [f"{name}{problem}" for problem in breaking(each, elsewhere, written=written)] if elsewhere else []
        found += [] if elsewhere else [f"{name}: is gone"]
    return sorted({*found} | ({"$id: is another"} if old.get("$id") != new.get("$id") else set()))


def _alternatives(side: _Side, like: _Side | None = None) -> Iterator[_Side]:
    """A schema's `anyOf` and types, one by one; those that could hold what `like` allows."""
    rest = {name: each for name, each in side.schema.items() if name != "anyOf"}
    for one in side.schema.get("anyOf", [{}]):
        merged = rest | side.at(one).schema
        types = merged.get("type")
        for kind in types if isinstance(types, list) else [types]:
            if like is None or kind is None or (like.schema.get("type"), kind) in ((kind, kind), ("integer", "number")):
                yield _Side(merged | ({"type": kind} if kind else {}), side.root)


def _rules(schema: Schema) -> set[str]:
    """The rules of a schema, as text."""
    found = {name: schema[name] for name in _RULES if name in schema}
    if "if" in found:
        found["if"] = [[found["if"], schema.get("then"), schema.get("else")]]
    rules = [(name, each) for name, listed in found.items() for each in (listed if name != "oneOf" else [listed])]
    return {f"{name} {json.dumps(each, sort_keys=True)}" for name, each in rules}


def _minus(some: list[Any], others: list[Any]) -> list[Any]:
    return [each for each in some if each not in others]
