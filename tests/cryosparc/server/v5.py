"""The protocol of CryoSPARC 5, as far as our job uses it.

The client has no paths of its own: it reads them from an OpenAPI document, which is made
here from the types that the installed client brings. So the server always speaks the
language of the client that is there.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import threading
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from cryosparc.dataset import Dataset
from cryosparc_test_server.http_server import QuietHandler, QuietServer
from cryosparc_test_server.site import Fault, Input, Output, Refused, Site, Slot
from cryosparc_test_server.v5_documents import STREAMS, job_json, openapi

PREFIX = "/api/cmd"


class Functions:
    """What each function of the API does with a site."""

    def __init__(self, site: Site) -> None:
        self.site = site

    def call(self, name: str, args: list[str], query: dict[str, Any], body: bytes):
        method = getattr(self, name.replace(".", "_"), None)
        if method is None:
            raise Refused(404, f"{name} is not part of this server")
        given = {"query": query, "body": body}
        wanted = inspect.signature(method).parameters
        return method(*args, **{k: v for k, v in given.items() if k in wanted})

    def _job(self, uid: str) -> dict[str, Any]:
        return job_json(self.site, self.site.job(uid))

    def health(self):
        return "OK"

    def login(self, *, body):
        form = {key: value[0] for key, value in parse_qs(body.decode()).items()}
        digest = hashlib.sha256(self.site.password.encode()).hexdigest()
        if (form["username"], form["password"]) != (self.site.email, digest):
            raise Refused(401, "Incorrect username or password")
        return {"access_token": self.site.token, "token_type": "bearer"}

    def users_me(self):
        return {"name": "ali", "first_name": "Ali", "last_name": "X"}

    def config_get_version(self):
        return self.site.version

    def projects_find_one(self, project):
        if project != "P1":
            raise Refused(404, f"Project {project} does not exist")
        return {
            "uid": "P1",
            "project_dir": self.site.told_folder,
            "owner_user_id": "1",
            "title": "Project",
            "size_last_updated": "2026-01-01T00:00:00Z",
            "uid_num": 1,
        }

    def projects_get_directory(self, _project):
        return self.site.told_folder

    def workspaces_find_one(self, _project, workspace):
        if workspace != "W1":
            raise Refused(404, f"Workspace {workspace} does not exist")
        return {
            "uid": "W1",
            "project_uid": "P1",
            "workspace_type": "base",
            "uid_num": 1,
            "project_uid_num": 1,
        }

    def jobs_create(self, _project, _workspace, *, query):
        made = self.site.create(
            query["type"], query.get("title", ""), query.get("description", "")
        )
        return self._job(made.uid)

    def jobs_find(self, *, query):
        if query.get("after"):
            return []
        kind = query.get("type")
        return [
            self._job(uid)
            for uid, job in self.site.jobs.items()
            if kind in (None, job.type)
        ]

    def jobs_find_one(self, _project, uid):
        return self._job(uid)

    def jobs_get_status(self, _project, uid):
        return self.site.job(uid).status

    def jobs_get_directory(self, _project, uid):
        return f"{self.site.told_folder}/{uid}"

    def jobs_add_external_input(self, _project, uid, name, *, body):
        spec = json.loads(body)
        slots = [Slot(**slot) for slot in spec["slots"]]
        made = Input(spec["type"], spec["title"], slots, spec["count_min"])
        self.site.add_input(self.site.job(uid), name, made)
        return self._job(uid)

    def jobs_add_external_output(self, _project, uid, name, *, body):
        spec = json.loads(body)
        slots = [Slot(**slot) for slot in spec["slots"]]
        made = Output(spec["type"], spec["title"], slots, spec.get("passthrough"))
        self.site.add_output(self.site.job(uid), name, made)
        return self._job(uid)

    def jobs_connect(self, _project, uid, name, *, query):
        source, output = query["source_job_uid"], query["source_output_name"]
        self.site.connect(self.site.job(uid), name, source, output)
        return self._job(uid)

    def jobs_mark_running(self, _project, uid, *, query):
        self.site.start(self.site.job(uid), query.get("status", "running"))
        return self._job(uid)

    def jobs_mark_completed(self, _project, uid):
        self.site.complete(self.site.job(uid))
        return self._job(uid)

    def jobs_mark_failed(self, _project, uid, *, query):
        self.site.fail(self.site.job(uid), query.get("error"))
        return self._job(uid)

    def jobs_clear(self, _project, uid):
        self.site.clear(self.site.job(uid))
        return self._job(uid)

    def jobs_load_input(self, _project, uid, name):
        return self.site.load_input(self.site.job(uid), name)

    def jobs_load_output(self, _project, uid, name, *, query):
        return self.site.load_output(self.site.job(uid), name, query["slots"])

    def jobs_get_output_fields(self, _project, uid, name):
        return self.site.fields(self.site.job(uid), name)

    def jobs_save_output(self, _project, uid, name, *, body):
        try:
            data = Dataset.load(BytesIO(body))
        except Exception as error:
            raise Refused(422, f"Not a dataset: {error}") from error
        self.site.save(self.site.job(uid), name, data)
        return self._job(uid)

    def jobs_add_event_log(self, _project, uid, *, query, body):
        kind = query.get("type", "text")
        return self._event(
            uid, self.site.log(self.site.job(uid), json.loads(body), kind)
        )

    def jobs_update_event_log(self, _project, uid, event, *, body):
        return self._event(
            uid, self.site.update_log(self.site.job(uid), event, json.loads(body))
        )

    def jobs_add_checkpoint(self, _project, uid):
        return self._event(uid, self.site.log(self.site.job(uid), "", "checkpoint"))

    def jobs_add_image_log(self, _project, uid, *, query, body):
        event = self.site.log(self.site.job(uid), query["text"], "image")
        event["imgfiles"] = json.loads(body)
        return self._event(uid, event)

    def _event(self, uid: str, event: dict[str, Any]) -> dict[str, Any]:
        return {"project_uid": "P1", "job_uid": uid, **event}

    def assets_upload(self, _project, _uid, *, query, body):
        number = self.site.asset(body)
        name, form = query.get("filename", "data"), query.get("format", "png")
        return {"fileid": number, "filename": name, "filetype": form}

    def jobs_set_output_image(self, _project, uid, name, *, body):
        self.site.job(uid).outputs[name].image = json.loads(body)["fileid"]
        return self._job(uid)

    def jobs_set_tile_image(self, _project, uid, *, body):
        self.site.job(uid).tile = json.loads(body)["fileid"]
        return self._job(uid)

    def projects_mkdir(self, _project, *, query):
        parents, exist_ok = (query.get(k) == "true" for k in ("parents", "exist_ok"))
        self.site.mkdir(query["path"], parents=parents, exist_ok=exist_ok)
        return query["path"]

    def projects_upload_file(self, _project, *, query, body):
        over = query.get("overwrite") == "true"
        self.site.upload(query["path"], body, overwrite=over)
        return query["path"]

    def projects_download_file(self, _project, *, query):
        return self.site.download(query["path"])

    def projects_ls(self, _project, *, query):
        return self.site.ls(query.get("path", ""))

    def resources_find_lanes(self):
        return []


class Handler(QuietHandler):
    """Answers in the words of this protocol."""

    functions: Functions

    def do_GET(self) -> None:  # noqa: N802  so called by http.server
        self._answer()

    def do_POST(self) -> None:  # noqa: N802  so called by http.server
        self._answer()

    def _answer(self) -> None:
        split = urlsplit(self.path)
        query = {key: value[0] for key, value in parse_qs(split.query).items()}
        name, *args = map(unquote, split.path.removeprefix(PREFIX)[1:].split("/"))
        site = self.functions.site
        fault = site.fault(name)
        if fault is not None and fault.kind == "drop":
            self._drop(fault)
            return
        body = self._body()
        try:
            self._check(name, fault)
            if name == "openapi.json":
                self._send(200, openapi())
                return
            with site.lock:
                found = self.functions.call(name, args, query, body)
        except Refused as error:
            self._send(error.code, json.dumps(error.data).encode())
            return
        if isinstance(found, Dataset):
            self._send(200, b"".join(found.stream()), STREAMS["Dataset"])
        elif isinstance(found, bytes):
            self._send(200, found, STREAMS["Stream"])
        else:
            self._send(200, json.dumps(found).encode())

    def _check(self, name: str, fault: Fault | None) -> None:
        site = self.functions.site
        if fault is not None:
            raise Refused(fault.code, "The server is not well")
        if not site.version.startswith("v5"):
            raise Refused(404, "Not found")
        given = self.headers.get("Authorization")
        if name not in {"login", "openapi.json"} and given != f"Bearer {site.token}":
            raise Refused(401, "Could not validate credentials")


def serve(site: Site) -> tuple[list[QuietServer], int]:
    """Start a server in a thread; return what to stop, and the port."""
    handler = type("SiteHandler", (Handler,), {"functions": Functions(site)})
    server = QuietServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    return [server], server.server_address[1]
