"""Lists of named ranges: SageMaker's tuning jobs, Vertex AI's studies, ClearML's and Keras Tuner's searches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from cnnjobs.sweep.other_tools.form import (
    PARALLEL,
    Foreign,
    Form,
    Place,
    Range,
    beside,
    flow,
    guarded,
    parsed,
    places_of,
    plainly,
    stepped,
    uniform,
)

_COUNTS: Final = ("maxnumberoftrainingjobs", "maxtrialcount", "totalmaxjobs", "maxtrials")
_STATIC: Final = "statichyperparameters"
_AGAIN: Final = "executionspertrial"
_SEARCHES: Final = ("strategy", "algorithm", "optimizerclass", "oracle", "tuner")


class _Entry(NamedTuple):
    name: str
    form: Form | None
    written: Any


class _Found(NamedTuple):
    tool: str
    entries: list[_Entry]
    places: list[Place]


def service_of(keys: Any) -> str | None:
    """Name of such a file; None for others."""
    found = _found(keys)
    return None if found is None else found.tool


def read_service(keys: Mapping[str, Any]) -> dict[str, Foreign]:
    """The sweep of such a file."""
    found = _found(keys)
    assert found is not None
    sweep = Foreign()
    for name, form, written in found.entries:
        if form is None:
            sweep.left_out[name] = f"its form is known to the other tool alone: {flow(written)}"
        else:
            sweep.parameters[name] = form
    sweep.share({key: parsed(str(value)) for key, value in (_deep(keys, _STATIC) or {}).items()})
    count = next((value for name in _COUNTS if isinstance(value := _deep(keys, name), int)), None)
    search = " ".join(str(value) for name in _SEARCHES if isinstance(value := _deep(keys, name), str))
    ranges = any(isinstance(form, Range) for form in sweep.parameters.values())
    sweep.at_random, sweep.run_cap = ranges or "grid" not in search.lower(), count
    if sweep.at_random and search and "random" not in search.lower():
        sweep.left_out[search] = "configurations are drawn at random"
    again = _deep(keys, _AGAIN)
    if isinstance(again, int) and again > 1:
        sweep.left_out["executions_per_trial"] = f"each configuration is run {again} times there: write seeds: {again}"
    known = (*_COUNTS, *_SEARCHES, _STATIC, _AGAIN)
    rest = beside(keys, [*found.places, *places_of(keys, (*known, *PARALLEL))])
    sweep.left_out.update(dict.fromkeys(rest, "see docs/sweep-file.md for what stands in its place"))
    return {"": sweep}


def _deep(keys: Any, name: str) -> Any:
    """The value of a key at whatever depth, in whatever spelling; None where there is none."""
    if not isinstance(keys, dict):
        return None
    here = next((value for key, value in keys.items() if plainly(key) == name), None)
    return (
        here
        if here is not None
        else next((each for inner in keys.values() if (each := _deep(inner, name)) is not None), None)
    )


def _found(keys: Any) -> _Found | None:
    lists = list(_lists(keys))
    for tool, read in _READERS.items():
        entries = {place: [read(each) for each in listed] for place, listed in lists if listed}
        places = [place for place, given in entries.items() if all(given)]
        if places:
            return _Found(tool, [each for place in places for each in entries[place] if each], places)
    return None


def _lists(keys: Any, above: Place = ()) -> Iterator[tuple[Place, list[Any]]]:
    """All lists of mappings, and the keys that lead there."""
    if isinstance(keys, list) and all(isinstance(each, dict) for each in keys):
        yield above, keys
    elif isinstance(keys, dict):
        for key, value in keys.items():
            yield from _lists(value, (*above, str(key)))


def _sagemaker(entry: Any) -> _Entry | None:
    if not (isinstance(entry, dict) and "Name" in entry and ("MinValue" in entry or "Values" in entry)):
        return None
    return _Entry(str(entry["Name"]), guarded(_sagemaker_form, entry), entry)


def _sagemaker_form(entry: Mapping[str, Any]) -> Form | None:
    if "Values" in entry:
        return [parsed(str(value)) for value in entry["Values"]]
    scale = str(entry.get("ScalingType", "Auto"))
    low, high = (parsed(str(entry[key])) for key in ("MinValue", "MaxValue"))
    whole = isinstance(low, int) and isinstance(high, int)
    return None if scale.startswith("Reverse") else uniform(low, high, logarithmic=scale == "Logarithmic", whole=whole)


def _vertex(entry: Any) -> _Entry | None:
    keys = {plainly(key): value for key, value in entry.items()} if isinstance(entry, dict) else {}
    return _Entry(str(keys["parameterid"]), guarded(_vertex_form, keys), entry) if "parameterid" in keys else None


def _vertex_form(keys: Mapping[str, Any]) -> Form | None:
    if "conditionalparameterspecs" in keys:
        return None
    kind = next(key for key in keys if key.endswith("valuespec"))
    inner = {plainly(key): value for key, value in keys[kind].items()}
    if "values" in inner:
        return list(inner["values"])
    scale = str(keys.get("scaletype", ""))
    low, high, whole = inner["minvalue"], inner["maxvalue"], kind.startswith("integer")
    low, high = (parsed(str(each)) for each in (low, high))
    return None if "REVERSE" in scale else uniform(low, high, logarithmic="LOG" in scale, whole=whole)


def _clearml(entry: Any) -> _Entry | None:
    kind = str(entry.get("type", entry.get("_class", ""))) if isinstance(entry, dict) else ""
    if not kind.endswith(("ParameterRange", "ParameterSet")):
        return None
    name = str(entry.get("name", kind))
    return _Entry(
        name.partition("/")[2].replace("/", ".") or name, guarded(_clearml_form, {**entry, "type": kind}), entry
    )


def _clearml_form(entry: Mapping[str, Any]) -> Form | None:
    kind = str(entry["type"]).rpartition(".")[2]
    if kind == "DiscreteParameterRange":
        return list(entry["values"])
    low, high, step = entry["min_value"], entry["max_value"], entry.get("step_size")
    if kind == "LogUniformParameterRange":
        base = entry.get("base", 10)
        return None if step else uniform(base**low, base**high, logarithmic=True)
    if kind == "UniformIntegerParameterRange":
        step = step or 1
    elif kind != "UniformParameterRange":
        return None
    if not step:
        return uniform(low, high)
    values = stepped(low, high, step)
    return [*values, high] if entry.get("include_max_value", True) else values


def _keras(entry: Any) -> _Entry | None:
    inner = entry.get("config") if isinstance(entry, dict) and "class_name" in entry else None
    if not (isinstance(inner, dict) and "name" in inner):
        return None
    return _Entry(str(inner["name"]), guarded(_keras_form, {**inner, "class_name": entry["class_name"]}), entry)


def _keras_form(entry: Mapping[str, Any]) -> Form | None:
    kind, sampling = str(entry["class_name"]), str(entry.get("sampling") or "linear").lower()
    if entry.get("conditions"):
        return None
    if kind in ("Choice", "Fixed", "Boolean"):
        return {"Choice": entry.get("values"), "Fixed": [entry.get("value")], "Boolean": [False, True]}[kind]
    low, high, step, is_log = entry["min_value"], entry["max_value"], entry.get("step"), sampling == "log"
    if kind not in ("Int", "Float") or sampling not in ("linear", "log"):
        return None
    if step and is_log:
        values = [low]
        while values[-1] * step <= high and step > 1:
            values.append(values[-1] * step)
        return values
    if step and not (kind == "Int" and step == 1):
        return stepped(low, high, step, closed=True)
    return uniform(low, high, logarithmic=is_log, whole=kind == "Int")


_READERS: Final[Mapping[str, Callable[[Any], _Entry | None]]] = {
    "a SageMaker tuning job": _sagemaker,
    "a Vertex AI study": _vertex,
    "a ClearML search": _clearml,
    "a Keras Tuner search": _keras,
}
