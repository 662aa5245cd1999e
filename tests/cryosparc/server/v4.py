"""The protocol of CryoSPARC 4.7, as far as our job uses it: JSON-RPC and some HTTP.

Three servers, on the base port plus 2, 3 and 5, which the client calls `cli`, `vis` and
`rtp`. One class answers for all of them.
"""

from __future__ import annotations

import json
import random
import re
import threading
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlsplit

from cryosparc.dataset import Dataset
from cryosparc_test_server.http_server import QuietHandler, QuietServer
from cryosparc_test_server.site import (
    DTYPES,
    Fault,
    Input,
    Job,
    Output,
    Refused,
    Site,
    Slot,
)

SAME_AS = {
    "get_job": "jobs.get_status",
    "run_external_job": "jobs.mark_running",
    "job_send_streamlog": "jobs.add_event_log",
    "get_id_by_email_password": "login",
    "/load_job_input": "jobs.load_input",
    "/get_project_file": "projects.download_file",
    "/files": "projects.upload_file",
    "/dataset": "jobs.save_output",
    "project_mkdir": "projects.mkdir",
    "system.describe": "openapi.json",
}
"""Name in version 5, by which tests call a function, where it differs."""


def job_document(site: Site, job: Job) -> dict[str, Any]:
    """A job as the client wants it."""
    results = [
        {
            "group_name": name,
            "name": slot,
            "type": dtype,
            "passthrough": slot not in {own.name for own in made.slots},
            "min_fields": [[field, kind] for field, kind in DTYPES[dtype]],
            "metafiles": _metafiles(job, name, slot),
        }
        for name, made in job.outputs.items()
        for slot, dtype in site.slots(job, name)
    ]
    return {
        "uid": job.uid,
        "project_uid": "P1",
        "type": job.type,
        "job_type": job.type,
        "title": job.title,
        "status": job.status,
        "input_slot_groups": [
            {
                "name": name,
                "type": made.type,
                "connections": [
                    {"job_uid": source, "group_name": output, "slots": []}
                    for source, output in made.connections
                ],
            }
            for name, made in job.inputs.items()
        ],
        "output_result_groups": [
            {"name": name, "type": made.type} for name, made in job.outputs.items()
        ],
        "output_results": results,
    }


def _metafiles(job: Job, output: str, slot: str) -> list[str]:
    made = job.outputs[output]
    if made.data is None:
        return []
    own = slot in {one.name for one in made.slots}
    return [f"{job.uid}/{'' if own else f'{job.uid}_passthrough_'}{output}.cs"]


def _file(site: Site, path: str) -> bytes:
    """A file of the project; datasets of jobs that are not ours exist in memory only."""
    uid, _, name = path.partition("/")
    outputs = site.jobs[uid].outputs if uid in site.jobs else {}
    output = name.removesuffix(".cs")
    if (site.folder / path).exists() or output not in outputs:
        return site.download(path)
    with BytesIO() as file:
        outputs[output].data.save(file)
        return file.getvalue()


def _slots(given: list[dict[str, Any]]) -> list[Slot]:
    return [Slot(s["prefix"], s["dtype"], s.get("required", True)) for s in given]


class Functions:
    """What each JSON-RPC function does with a site."""

    def __init__(self, site: Site) -> None:
        self.site = site

    def names(self) -> list[str]:
        return [name for name in dir(self) if name[0] != "_" and name not in _OURS]

    def get_id_by_email_password(self, email, password):
        if (email, password) != (self.site.email, self.site.password):
            raise Refused(401, "Incorrect username or password")
        return "1"

    def get_running_version(self):
        return self.site.version

    def test_connection(self):
        return True

    def get_scheduler_lanes(self):
        return []

    def get_project(self, project):
        if project != "P1":
            raise Refused(404, f"Project {project} does not exist")
        return {"uid": "P1"}

    def get_project_dir_abs(self, _project):
        return self.site.told_folder

    def get_workspace(self, _project, workspace):
        if workspace != "W1":
            raise Refused(404, f"Workspace {workspace} does not exist")
        return {"uid": "W1"}

    def get_job(self, _project, uid):
        return job_document(self.site, self.site.job(uid))

    def get_job_dir_abs(self, _project, uid):
        return f"{self.site.told_folder}/{uid}"

    def run_external_job(self, _project, uid, status):
        self.site.start(self.site.job(uid), status)

    def set_job_status(self, _project, uid, status):
        job = self.site.job(uid)
        if status == "completed":
            self.site.complete(job)
        else:
            self.site.fail(job, None)

    def clear_job(self, _project, uid):
        self.site.clear(self.site.job(uid))

    def job_send_streamlog(self, project_uid, job_uid, message, **more):
        del project_uid
        kind = "image" if more.get("imgfiles") else "text"
        kind = "error" if more.get("error") else kind
        event = self.site.log(self.site.job(job_uid), message, kind)
        event["imgfiles"] = more.get("imgfiles", [])
        return event["_id"]

    def job_checkpoint_streamlog(self, **given):
        return self.site.log(self.site.job(given["job_uid"]), "", "checkpoint")["_id"]

    def create_external_job(self, **given):
        title, text = given.get("title") or "", given.get("desc") or ""
        return self.site.create("snowflake", title, text).uid

    def add_external_job_input(self, **given):
        slots = _slots(given["slots"])
        made = Input(given["type"], given["title"] or "", slots, given["min"])
        self.site.add_input(self.site.job(given["job_uid"]), given["name"], made)

    def add_external_job_output(self, **given):
        slots, passthrough = _slots(given["slots"]), given.get("passthrough")
        made = Output(given["type"], given["title"] or "", slots, passthrough)
        self.site.add_output(self.site.job(given["job_uid"]), given["name"], made)

    def connect_external_job(self, **given):
        source, output = given["source_job_uid"], given["source_output"]
        job = self.site.job(given["target_job_uid"])
        self.site.connect(job, given["target_input"], source, output)

    def project_mkdir(self, **given):
        self.site.mkdir(
            given["path"], parents=given["parents"], exist_ok=given["exist_ok"]
        )

    def list_project_files(self, **given):
        return self.site.ls(given["prefix"])


_OURS = {"names", "site"}


class Handler(QuietHandler):
    """Answers in the words of this protocol."""

    functions: Functions

    def do_GET(self) -> None:  # noqa: N802  so called by http.server
        self._send(200, b"Hello")

    def do_POST(self) -> None:  # noqa: N802  so called by http.server
        split = urlsplit(self.path)
        query = {key: value[0] for key, value in parse_qs(split.query).items()}
        if split.path == "/api":
            self._answer_rpc()
            return
        tail = f"/{split.path.rsplit('/', 1)[-1]}"
        asset = tail == "/files" and "/jobs/" in split.path
        fault = self._fault("assets.upload" if asset else SAME_AS[tail])
        if fault is not None and fault.kind == "drop":
            self._drop(fault)
            return
        body = self._body()
        try:
            self._check(fault)
            data = self._stream(split.path, query, body)
        except Refused as error:
            self._send(error.code, json.dumps(error.data).encode())
            return
        kind = "x-cryosparc-dataset" if tail == "/load_job_input" else "octet-stream"
        self._send(200, data, f"application/{kind}")

    def _fault(self, name: str) -> Fault | None:
        return self.functions.site.fault(name)

    def _check(self, fault: Fault | None) -> None:
        site = self.functions.site
        if fault is not None:
            raise Refused(fault.code, "The server is not well")
        if self.headers.get("License-ID") != site.license:
            raise Refused(401, "Wrong license")

    def _answer_rpc(self) -> None:
        asked = json.loads(self._body())
        method, params = asked["method"], asked["params"]
        fault = self._fault(SAME_AS.get(method, method))
        if fault is not None and fault.kind == "drop":
            self._drop(fault)
            return
        try:
            self._check(fault)
            result = self._rpc(method, params)
            answer = {"result": result}
        except Refused as error:
            answer = {
                "error": {
                    "message": str(error),
                    "name": "ServerError",
                    "code": error.code,
                    "data": error.data,
                }
            }
        self._send(200, json.dumps(answer).encode())

    def _rpc(self, method: str, params: Any) -> Any:
        if method == "system.describe":
            return {"procs": [{"name": name} for name in self.functions.names()]}
        function = getattr(self.functions, method)
        with self.functions.site.lock:
            if isinstance(params, dict):
                return function(**params)
            return function(*params)

    def _stream(self, path: str, query: dict[str, str], body: bytes) -> bytes:
        site = self.functions.site
        with site.lock:
            if path == "/load_job_input":
                given = json.loads(body)
                job = site.job(given["job_uid"])
                rows = site.load_input(job, given["input_name"])
                return b"".join(rows.stream())
            if path == "/get_project_file":
                return _file(site, json.loads(body)["path"])
            if found := re.fullmatch(
                r"/external/.*/jobs/(J\d+)/outputs/(.*)/dataset", path
            ):
                return self._save(site, found[1], unquote_plus(found[2]), body)
            if "/jobs/" in path:
                form = query.get("format", "png")
                name = query.get("filename", "data")
                made = {"fileid": site.asset(body), "filename": name, "filetype": form}
                return json.dumps(made).encode()
            site.upload(query["path"], body, overwrite="overwrite" in query)
            return b"{}"

    def _save(self, site: Site, uid: str, output: str, body: bytes) -> bytes:
        try:
            data = Dataset.load(BytesIO(body))
        except Exception as error:
            raise Refused(422, f"Not a dataset: {error}") from error
        job = site.job(uid)
        site.save(job, output, data)
        own = {slot.name for slot in job.outputs[output].slots}
        rows = site.load_output(job, output)
        rest = rows.copy().filter_prefixes(set(rows.prefixes()) - own)
        data.save(site.folder / uid / f"{output}.cs")
        rest.save(site.folder / uid / f"{uid}_passthrough_{output}.cs")
        return b"{}"


def serve(site: Site) -> tuple[list[QuietServer], int]:
    """Start the three servers in threads; return them and the base port."""
    handler = type("SiteHandler", (Handler,), {"functions": Functions(site)})
    while True:
        base = random.randrange(20000, 60000, 10)  # noqa: S311  a port
        servers: list[QuietServer] = []
        try:
            for step in (2, 3, 5):
                place = ("127.0.0.1", base + step)
                servers += [QuietServer(place, handler)]
        except OSError:
            for server in servers:
                server.server_close()
            continue
        break
    for server in servers:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    return servers, base
