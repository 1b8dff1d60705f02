"""Whether a run folder, perhaps a stranger's, says what a page needs, in the shape it needs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from streamsim.runs import Run
from streamsim_reports.page.remembering import RememberedRun

NEEDED: Mapping[str, type] = {  # in run.json; a group before its members
    "configuration": dict,
    "configuration.scenario": str,
    "configuration.strategy": str,
    "configuration.model": str,
    "configuration.options": dict,
    "configuration.seeds": list,
    "configuration.sweep": dict,
    "settings": list,
    "stream": dict,
    "stream.setting": str,
    "stream.num_experiences": int,
    "environment": dict,
}


def checked(run: Run) -> Run:
    """The run, read once; ValueError that names what run.json lacks or has in another shape."""
    damage = _damage(run.info)
    if damage:
        raise ValueError(f"{run.path / 'run.json'} is damaged: {damage}")
    # JSON can hold halves of characters, which no file and no table can
    whole = json.dumps(dict(run.info), ensure_ascii=False).encode("utf-8", "replace")
    return RememberedRun(run.path, json.loads(whole))


def _damage(info: Mapping[str, Any]) -> str:
    for name, kind in NEEDED.items():
        value: Any = info
        for key in name.split("."):
            if key not in value:
                return f"it has no {name}"
            value = value[key]
        # True is a whole number to Python
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            return f"{name} is no {kind.__name__}"
    seeds, settings = info["configuration"]["seeds"], info["settings"]
    if not seeds or any(type(seed) is not int for seed in seeds):
        return "configuration.seeds is no list of whole numbers"
    if not settings or any(not isinstance(setting, dict) for setting in settings):
        return "settings is no list of objects"
    if any(not isinstance(values, list) for values in info["configuration"]["sweep"].values()):
        return "configuration.sweep has values that are no list"
    return ""
