"""The usual operations on a compute session with the genuine Python client, on the server that BACKEND_ENDPOINT names.

Runs with the client of 26.09 and with that of 22.03. Prints a line for each operation; the exit code is 0 when all are as expected.
"""
import asyncio
import base64
import json
import os
import sys
import tarfile
import tempfile
import traceback
import uuid
from pathlib import Path

import aiohttp
from ai.backend.client import __version__
from ai.backend.client.config import APIConfig
from ai.backend.client.exceptions import BackendAPIError, BackendClientError
from ai.backend.client.request import Request
from ai.backend.client.session import AsyncSession

MODERN = int(__version__.split(".")[0]) >= 26
LIMIT = 60
IMAGE = os.environ.get("INTEROP_IMAGE", "python")
OPERATIONS = []


def operation(function):
    OPERATIONS.append(function)
    return function


def settings(**changed):
    env = os.environ
    known = {
        "endpoint": env["BACKEND_ENDPOINT"], "endpoint_type": "api", "domain": "default", "group": "default",
        "access_key": env["BACKEND_ACCESS_KEY"], "secret_key": env["BACKEND_SECRET_KEY"],
    }
    return APIConfig(**{**known, **changed})


def expect(holds, seen):
    if not holds:
        raise AssertionError(f"seen: {seen!r}")


async def create(api, name, **options):
    return await api.ComputeSession.get_or_create(IMAGE, name=name, resources={"cpu": "1", "mem": "256m"}, **options)


async def streamed(session, code, answers=(), mode="query", options=None, on_output=None):
    """Runs code over the WebSocket. Returns the output by kind, and the last frame."""
    answers, printed, last = list(answers), {}, {}
    async with session.stream_execute(code, mode=mode, opts=options or {}) as socket:
        async for message in socket:
            if message.type != aiohttp.WSMsgType.TEXT:
                break
            last = json.loads(message.data)
            for kind, text in last.get("console") or []:
                printed[kind] = printed.get(kind, []) + [text]
                if on_output:
                    await on_output()
            if last["status"] == "waiting-input":
                await socket.send_str(answers.pop(0))
            if last["status"] == "finished":
                break
    joined = {kind: "".join(texts) for kind, texts in printed.items() if kind in ("stdout", "stderr")}
    return joined.get("stdout", ""), joined.get("stderr", ""), printed, last


@operation
async def hello(api, session):
    expect((await api.System.get_versions())["version"].startswith("v"), None)


@operation
async def creating_the_session_again_returns_the_same_one(api, session):
    again = await create(api, session.name)
    expect(again.created is False and again.status == "RUNNING", (again.created, again.status))


@operation
async def a_cell_prints_and_keeps_its_variables(api, session):
    out, _, _, last = await streamed(session, "kept = 41\nprint('hello')")
    expect(out == "hello\n" and last["exitCode"] == 0, (out, last))
    out, _, _, _ = await streamed(session, "print(kept + 1)")
    expect(out == "42\n", out)


@operation
async def an_error_is_shown(api, session):
    _, err, _, last = await streamed(session, "1/0")
    expect("ZeroDivisionError" in err and last["status"] == "finished", (err, last))


@operation
async def questions_are_answered(api, session):
    code = "import getpass\nn = input('name? ')\np = getpass.getpass('word? ')\nprint(n, len(p))"
    out, _, _, _ = await streamed(session, code, answers=["Ada", "secret"])
    expect("name? " in out and out.endswith("Ada 6\n"), out)


@operation
async def rich_results_arrive_as_media(api, session):
    code = "class Rich:\n    def _repr_svg_(self): return '<svg xmlns=\"http://www.w3.org/2000/svg\"/>'\nRich()"
    _, _, printed, _ = await streamed(session, code)
    kinds = [content[0] for content in printed.get("media", [])]
    expect("image/svg+xml" in kinds, printed)


@operation
async def execution_by_calls(api, session):
    run, mode, code, out, seen = uuid.uuid4().hex, "query", "x = input('q? ')\nprint('got', x)", "", []
    while len(seen) < 50:
        # The client of 22.03 requires the run id, which is optional in 26.09.
        reply = await session.execute(run, code, mode=mode)
        seen.append(reply["status"])
        out += "".join(text for kind, text in reply["console"] if kind == "stdout")
        if reply["status"] == "finished":
            break
        mode, code = ("input", "42") if reply["status"] == "waiting-input" else ("continue", "")
    expect("got 42\n" in out and "waiting-input" in seen, (seen, out))


@operation
async def batch_mode_keeps_the_output_of_each_step(api, session):
    steps = {"clean": "*", "build": "echo built", "exec": "echo executed; exit 3"}
    out, _, _, last = await streamed(session, "", mode="batch", options=steps)
    expect("built" in out and "executed" in out and last["exitCode"] == 3, (out, last))


@operation
async def completion_gives_candidates(api, session):
    position = {"row": 0, "col": 8, "line": "import o", "post": ""}
    reply = await session.complete("import o", opts=position)
    expect("os" in json.dumps(reply), reply)


@operation
async def an_endless_loop_is_interrupted(api, session):
    _, err, _, last = await streamed(session, "print('on')\nwhile True: pass", on_output=session.interrupt)
    expect("KeyboardInterrupt" in err and last["status"] == "finished", (err, last))
    out, _, _, _ = await streamed(session, "print('after')")
    expect(out == "after\n", out)


@operation
async def files_are_uploaded_listed_and_downloaded(api, session):
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        content = bytes(range(256)) * 1000
        (folder / "up.bin").write_bytes(content)
        uploaded = ["up.bin", "a b.txt", "50%25.txt", "%41", "naïve.txt"]
        for name in uploaded[1:]:
            (folder / name).write_text(name)
        await session.upload([folder / name for name in uploaded], basedir=folder)
        listed = await session.list_files(".")
        names = [entry["filename"] for entry in json.loads(listed["files"])]
        expect(set(uploaded) <= set(names), names)
        (folder / "down").mkdir()
        await session.download(["up.bin"], dest=folder / "down")
        found = list((folder / "down").rglob("*"))
        archives = [path for path in found if path.suffix == ".tar"]
        for archive in archives:
            with tarfile.open(archive) as opened:
                opened.extractall(folder / "down")
        found = [path for path in (folder / "down").rglob("up.bin")]
        expect(found and found[0].read_bytes() == content, found)


@operation
async def the_info_of_the_session_is_complete(api, session):
    info = await session.get_info()
    expect(info["status"] == "RUNNING" and "python" in (info.get("image") or info.get("lang")), info)
    expect("logs" in (await session.get_logs())["result"], None)
    if MODERN:
        expect("RUNNING" in json.dumps(await session.get_status_history()), None)


@operation
async def the_sessions_are_listed(api, session):
    page = await api.ComputeSession.paginated_list(status="RUNNING")
    known = {str(item.get(key)) for item in page.items for key in ("id", "name", "session_id")}
    expect(known & {session.name, str(session.id)}, page.items)


@operation
async def events_report_the_end_of_a_session(api, session):
    other = await create(api, f"interop-{uuid.uuid4().hex[:6]}")
    seen = []
    async with other.listen_events() as events:
        await other.destroy()
        async for event in events:
            seen.append(event.event)
            if event.event == "session_terminated":
                break
    expect("session_terminated" in seen, seen)


@operation
async def a_terminal_by_the_legacy_stream(api, session):
    printed = ""
    async with session.stream_pty() as socket:
        keys = base64.b64encode(b"echo pty-$((40+2))\n").decode()
        await socket.send_json({"type": "stdin", "chars": keys})
        async for message in socket:
            if message.type != aiohttp.WSMsgType.TEXT:
                break
            frame = json.loads(message.data)
            printed += base64.b64decode(frame.get("data") or frame.get("chars") or "").decode(errors="replace")
            if "pty-42" in printed:
                break
    expect("pty-42" in printed, printed)


@operation
async def an_app_is_reached_through_a_tunnel(api, session):
    if not hasattr(session, "stream_app_info"):
        return "this client has no list of apps"
    apps = [app["name"] for app in await session.stream_app_info()]
    expect(apps, apps)
    request = Request("GET", f"/stream/session/{session.name}/tcpproxy", params={"app": "no-such-app"})
    try:
        async with request.connect_websocket() as socket:
            await socket.receive_bytes()
    except (BackendAPIError, BackendClientError, aiohttp.ClientError):
        return f"apps: {', '.join(apps)}"
    raise AssertionError("an app that is not there was reached")


@operation
async def the_session_is_renamed(api, session):
    new = f"{session.name}-new"
    request = Request("POST", f"/session/{session.name}/rename", params={"name": new})
    request.set_json({"name": new})
    async with request.fetch() as reply:
        expect(reply.status in (200, 204), reply.status)
    session.name = new
    expect((await session.get_info())["status"] == "RUNNING", None)


@operation
async def a_restart_forgets_the_variables(api, session):
    await session.restart()
    out, _, _, _ = await streamed(session, "print('kept' in globals())")
    expect(out == "False\n", out)


@operation
async def errors_have_their_status(api, session):
    async def status(call):
        try:
            await call
        except BackendAPIError as error:
            return error.status
        return None

    expect(await status(api.ComputeSession("no-such-session").get_info()) == 404, "an unknown session")
    global IMAGE
    image, IMAGE = IMAGE, "cobol:85"
    try:
        expect(await status(create(api, f"interop-{uuid.uuid4().hex[:6]}")) in (400, 404), "an unknown image")
    finally:
        IMAGE = image
    async with AsyncSession(config=settings(secret_key="x" * 40)) as wrong:
        expect(await status(wrong.ComputeSession(session.name).get_info()) == 401, "a wrong key")


@operation
async def the_session_is_destroyed(api, session):
    await session.destroy()
    try:
        # The session is still known by its id, with its final state.
        status = (await session.get_info())["status"]
        expect(status in ("TERMINATING", "TERMINATED"), status)
    except BackendAPIError as error:
        expect(error.status == 404, error)


async def main():
    failed = 0
    print(f"backend.ai-client {__version__}")
    async with AsyncSession(config=settings()) as api:
        session = await create(api, f"interop-{uuid.uuid4().hex[:6]}")
        for run in OPERATIONS:
            name = run.__name__.replace("_", " ")
            try:
                note = await asyncio.wait_for(run(api, session), LIMIT)
                print(f"ok    {name}" + (f" ({note})" if note else ""), flush=True)
            except Exception:
                failed += 1
                print(f"FAILS {name}\n{traceback.format_exc()}", flush=True)
    print(f"{len(OPERATIONS) - failed} of {len(OPERATIONS)} operations")
    return 1 if failed else 0


sys.exit(asyncio.run(main()))
