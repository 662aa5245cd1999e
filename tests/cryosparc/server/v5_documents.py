"""What version 5 says about itself and about a job, made from the types of the client."""

from __future__ import annotations

import ast
import functools
import json
from pathlib import Path
from typing import Any

import cryosparc
from cryosparc_test_server.site import Job, Site

STREAMS = {
    "Stream": "application/octet-stream",
    "Dataset": "application/x-cryosparc-dataset",
}
PLAIN = {"str": "string", "int": "integer", "float": "number", "bool": "boolean"}


@functools.cache
def openapi() -> bytes:
    """The document that describes every function of the installed client."""
    text = (Path(cryosparc.__file__).parent / "api.pyi").read_text(encoding="utf-8")
    classes = {n.name: n for n in ast.parse(text).body if isinstance(n, ast.ClassDef)}
    spaces = {
        node.annotation.id: node.target.id
        for node in classes["APIClient"].body
        if isinstance(node, ast.AnnAssign)
    }
    paths: dict[str, Any] = {}
    for name, node in classes.items():
        if name not in spaces and name != "APIClient":
            continue
        for function in node.body:
            if isinstance(function, ast.FunctionDef) and function.name[0] != "_":
                space = spaces.get(name)
                full = f"{space}.{function.name}" if space else function.name
                path, described = _described(full, function)
                paths[path] = {"post": described}
    document = {"info": {}, "paths": paths, "components": {}}
    return json.dumps(document).encode()


def _described(name: str, function: ast.FunctionDef) -> tuple[str, dict[str, Any]]:
    places = [one.arg for one in function.args.posonlyargs if one.arg != "self"]
    bodies = [one for one in function.args.args if one.arg != "self"]
    parameters = [{"name": one, "in": "path", "required": True} for one in places]
    described: dict[str, Any] = {"summary": name, "parameters": parameters}
    if name == "login":
        content = {"application/x-www-form-urlencoded": {"schema": {}}}
        described["requestBody"] = {"content": content}
    else:
        parameters += [
            {"name": one.arg, "in": "query", "required": default is None}
            for one, default in zip(
                function.args.kwonlyargs, function.args.kw_defaults, strict=True
            )
        ]
    for one in bodies:
        kind = ast.unparse(one.annotation)
        media = STREAMS.get(kind, "application/json")
        content = {media: {"schema": {"title": one.arg}}}
        described["requestBody"] = {"content": content}
    returns = ast.unparse(function.returns)
    content = {STREAMS.get(returns, "application/json"): {"schema": _schema(returns)}}
    described["responses"] = {"200": {"content": content}}
    return "/".join(["", name, *(f"{{{one}}}" for one in places)]), described


def _schema(kind: str) -> dict[str, Any]:
    node = ast.parse(kind, mode="eval").body
    if isinstance(node, ast.Name) and node.id in PLAIN:
        return {"type": PLAIN[node.id]}
    if isinstance(node, ast.Name) and node.id not in ("Any", *STREAMS):
        return {"$ref": f"#/components/schemas/{node.id}"}
    if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "List":
        return {"type": "array", "items": _schema(ast.unparse(node.slice))}
    return {}


def job_json(site: Site, job: Job) -> dict[str, Any]:
    """A job as the client's model wants it."""
    inputs = {
        name: {
            "type": one.type,
            "title": one.title,
            "slots": [vars(slot) for slot in one.slots],
            "count_min": one.least,
            "count_max": "inf",
            "connections": [
                {"job_uid": source, "output": output, "results": []}
                for source, output in one.connections
            ],
        }
        for name, one in job.inputs.items()
    }
    outputs = {
        name: {
            "type": one.type,
            "title": one.title,
            "slots": [{"name": s.name, "dtype": s.dtype} for s in one.slots],
            "passthrough": one.passthrough,
            "image": one.image,
            "num_items": 0 if one.data is None else len(one.data),
            "results": [
                {"name": slot, "dtype": dtype} for slot, dtype in site.slots(job, name)
            ],
        }
        for name, one in job.outputs.items()
    }
    return {
        "_id": "0" * 24,
        "uid": job.uid,
        "project_uid": "P1",
        "title": job.title,
        "description": job.description,
        "status": job.status,
        "job_dir": job.uid,
        "job_dir_size_last_updated": "2026-01-01T00:00:00Z",
        "uid_num": int(job.uid[1:]),
        "project_uid_num": 1,
        "status_num": 0,
        "build_errors": [],
        "spec": {
            "type": job.type,
            "inputs": inputs,
            "outputs": outputs,
            "ui_tile_width": 1,
            "ui_tile_height": 1,
            "resource_spec": {},
        },
    }
