"""The operations of a cluster's agent on a runner: the genuine agent's own class with `bai-repl runner`.

Takes the binary as its argument. Prints a line for each operation; the exit code is 0 when all are as expected.
"""
import asyncio
import base64
import json
import logging
import os
import secrets
import signal
import socket
import sys
import tempfile
import traceback
import uuid
from pathlib import Path

import psutil
from ai.backend.agent.kernel import AbstractCodeRunner, default_client_features

# The class logs its errors; here an exception is enough.
logging.disable(logging.CRITICAL)
LIMIT = 60
KERNEL = uuid.UUID("0123abcd-0000-4000-8000-00000000000f")
OPERATIONS = []


def operation(function):
    OPERATIONS.append(function)
    return function


def expect(holds, seen):
    if not holds:
        raise AssertionError(f"seen: {seen!r}")


class Agent(AbstractCodeRunner):
    """The genuine class, connected to the ports of our runner."""

    def __init__(self, addresses):
        super().__init__(KERNEL, uuid.uuid4(), None, client_features=default_client_features)
        self.addresses = addresses

    async def get_repl_in_addr(self):
        return self.addresses[0]

    async def get_repl_out_addr(self):
        return self.addresses[1]


class Container:
    """A home, the files that an agent puts next to it, and a runner."""

    def __init__(self, folder, binary):
        self.work, self.config, self.services = (Path(folder, name) for name in ("work", "config", "services"))
        for made in (self.work, self.config, self.services, self.work / ".logs"):
            made.mkdir()
        (self.config / "environ.txt").write_text("FROM_AGENT=yes it is\n")
        (self.config / "intrinsic-ports.json").write_text(json.dumps({"sshd": free_port(), "ttyd": free_port()}))
        (self.work / "bootstrap.sh").write_text("echo bootstrapped; read x; echo \"$FROM_AGENT\" > bootstrapped\n")
        (self.services / "web.json").write_text(json.dumps({
            "command": ["{runtime_path}", "-m", "http.server", "{ports[0]}"], "allowed_arguments": ["--directory"],
            "url_template": "{protocol}://{host}:{port}/x",
        }))
        self.binary = binary

    async def start(self):
        self.process = await asyncio.create_subprocess_exec(
            self.binary, "runner", "python", sys.executable, "--operations-port=0", "--replies-port=0",
            f"--workdir={self.work}", f"--config={self.config}", f"--service-defs={self.services}",
            env={**os.environ, "HOME": str(self.work), "BACKENDAI_KERNEL_ID": str(KERNEL)}, stdout=asyncio.subprocess.PIPE,
        )
        line = (await asyncio.wait_for(self.process.stdout.readline(), LIMIT)).decode().split()
        self.addresses = [word.rstrip(",") for word in line if word.startswith("tcp://")]
        expect(len(self.addresses) == 2, line)

    async def agent(self):
        return await Agent.new(self.addresses)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


async def collect(agent, run_id, answers=(), on_result=None):
    """Reads the results of a run until its end. Returns the statuses with exit codes, and the console output."""
    answers, statuses, console = list(answers), [], []
    while True:
        await agent.attach_output_queue(run_id)
        result = await agent.get_next_result(api_ver=2, flush_timeout=0.5)
        console += result["console"]
        if on_result:
            await on_result(console)
        if result["status"] == "continued":
            continue
        statuses.append((result["status"], result["options"] if result["status"] == "waiting-input" else result["exitCode"]))
        if result["status"] == "waiting-input":
            await agent.feed_input(answers.pop(0))
        elif result["status"] == "finished":
            return statuses, merged(console)


def merged(console):
    """Joins adjacent console records of the same kind."""
    pieces = []
    for kind, data in console:
        if pieces and kind in ("stdout", "stderr") and pieces[-1][0] == kind:
            pieces[-1] = (kind, pieces[-1][1] + data)
        else:
            pieces.append((kind, data))
    return pieces


async def query(agent, code, answers=(), on_result=None):
    run_id = secrets.token_hex(16)
    await agent.attach_output_queue(run_id)
    await agent.feed_code(code)
    return await collect(agent, run_id, answers, on_result)


async def batch(agent, answers=(), **steps):
    # The class drops output between the end of a step and the next query, so the steps must take some time.
    run_id = secrets.token_hex(16)
    await agent.attach_output_queue(run_id)
    await agent.feed_batch(steps)
    return await collect(agent, run_id, answers)


@operation
async def the_status_is_reported(agent, container):
    expect((await agent.ping())["started_at"] >= 0, None)


@operation
async def the_bootstrap_script_ran_first_with_the_variables_of_the_agent(agent, container):
    expect((container.work / "bootstrapped").read_text() == "yes it is\n", None)
    seen = await query(agent, "import os, sys; print(os.environ['FROM_AGENT'], os.getcwd()); print(sys.executable)")
    expect(seen[1] == [("stdout", f"yes it is {container.work}\n{sys.executable}\n")], seen)


@operation
async def a_query_keeps_its_names_and_shows_values_in_order(agent, container):
    seen = await query(agent, "x = 6\nprint('한', end='')")
    expect(seen == ([("finished", 0)], [("stdout", "한")]), seen)
    code = "import sys, os\nprint(1)\nos.system('echo 2')\nprint(3, file=sys.stderr)\nx * 7"
    seen = await query(agent, code)
    expect(seen == ([("finished", 0)], [("stdout", "1\n2\n"), ("stderr", "3\n"), ("stdout", "42\n")]), seen)


@operation
async def failures_and_exits_have_exit_codes(agent, container):
    statuses, console = await query(agent, "1/0")
    expect(statuses == [("finished", 1)] and "ZeroDivisionError" in console[0][1] and console[0][0] == "stderr", console)
    expect((await query(agent, "raise SystemExit(3)"))[0] == [("finished", 3)], None)


@operation
async def input_and_passwords_are_asked_for(agent, container):
    code = "a = input('who? ')\nimport getpass\nb = getpass.getpass('pass? ')\nprint(a, b)"
    statuses, console = await query(agent, code, ["Ann", "secret"])
    expect(statuses == [
        ("waiting-input", {"is_password": False}), ("waiting-input", {"is_password": True}), ("finished", 0)], statuses)
    text = "".join(data for kind, data in console if kind == "stdout")
    expect(text.startswith("who? ") and text.endswith("Ann secret\n"), console)


@operation
async def completion_comes_from_the_namespace(agent, container):
    await query(agent, "telephone = 1")
    found = await agent.feed_and_get_completion("telep", {"row": 0, "col": 5, "line": "telep", "post": ""})
    expect("telephone" in found.suggestions, found)


@operation
async def completion_does_not_wait_for_the_running_cell(agent, container):
    async def ask(console):
        if console and not asked:
            found = await agent.feed_and_get_completion("telep", {})
            asked.append(found.suggestions)
            (container.work / "go").touch()
    asked = []
    code = "import os\nprint('on', flush=True)\nwhile not os.path.exists('go'): pass"
    seen = await query(agent, code, on_result=ask)
    expect(seen[0] == [("finished", 0)] and "telephone" in asked[0], (seen, asked))


@operation
async def an_interrupt_ends_the_cell_and_not_the_session(agent, container):
    async def interrupt(console):
        if console and not done:
            done.append(await agent.feed_interrupt())
    done = []
    statuses, console = await query(agent, "y = 1\nprint('on', flush=True)\nwhile True: pass", on_result=interrupt)
    expect(statuses == [("finished", 1)] and "KeyboardInterrupt" in console[-1][1], console)
    expect((await query(agent, "y"))[1] == [("stdout", "1\n")], None)


@operation
async def media_and_html_arrive(agent, container):
    code = """
class Picture:
    def _repr_png_(self): return b'PNG'
class Table:
    def _repr_html_(self): return '<b>한</b>'
display(Picture()); display(Table())
"""
    statuses, console = await query(agent, code)
    kinds = [kind for kind, _ in console]
    expect(statuses == [("finished", 0)] and kinds == ["media", "html"], console)
    expect(console[0][1] == ("image/png", "data:image/png;base64," + base64.b64encode(b"PNG").decode()), console)
    expect(console[1][1] == "<b>한</b>", console)


@operation
async def batch_steps_follow_each_other(agent, container):
    (container.work / "main.py").write_text("import os; print('ran', os.environ['_BACKEND_BATCH_MODE'])")
    slow = "sleep 0.3; echo {}; sleep 0.3"
    statuses, console = await batch(agent, clean=slow.format("c"), build=slow.format("b"), exec="sleep 0.3; exec python3 main.py; sleep 0.3")
    expect(statuses == [("clean-finished", 0), ("build-finished", 0), ("finished", 0)], statuses)
    expect(console == [("stdout", "c\nb\nran 1\n")], console)
    log = container.work / ".logs/task/01/23/abcd00004000800000000000000f.log"
    expect(log.read_text().endswith("c\nb\nran 1\n"), log.read_text())


@operation
async def a_failed_build_fails_the_execution(agent, container):
    # The class drops what it reads between two queries, so this test reads the messages directly.
    seen = await messages_after(agent, [(b"clean", b""), (b"build", b"echo no >&2; exit 2"), (b"exec", b"touch never"), (b"exec", b"echo yes")], times=2)
    expect([name for name, _ in seen] == [
        b"clean-finished", b"stderr", b"build-finished", b"finished", b"stdout", b"finished"], seen)
    codes = [json.loads(data)["exitCode"] for name, data in seen if name.endswith(b"finished")]
    expect(codes == [0, 2, 127, 0] and not (container.work / "never").exists(), seen)


async def messages_after(agent, messages, last=b"finished", times=1):
    """Sends messages and reads the replies without the class, until the reply `last` has arrived `times` times."""
    seen = []
    await agent._close_tasks()
    sockets = await agent._get_socket_pair()
    for parts in messages:
        await sockets.send_multipart(list(parts))
    while sum(name == last for name, _ in seen) < times:
        seen.append(tuple(await sockets.recv_multipart()))
    await agent._create_tasks()
    return [(name, data) for name, data in seen if name != b"status"]


@operation
async def programs_in_batch_steps_can_ask(agent, container):
    statuses, console = await batch(agent, ["Bob"], clean="", build="sleep 0.3", exec="sleep 0.3; read name; echo hello $name; sleep 0.3")
    expect(statuses[-2][0] == "waiting-input" and statuses[-1] == ("finished", 0), statuses)
    expect(console == [("stdout", "hello Bob\n")], console)


@operation
async def services_are_started_listed_and_ended(agent, container):
    apps = await agent.feed_service_apps()
    web = [app for app in apps["data"] if app["name"] == "web"]
    expect(apps["status"] == "done" and web == [
        {"name": "web", "url_template": "{protocol}://{host}:{port}/x", "allowed_arguments": ["--directory"]}], apps)
    port = free_port()
    start = {"name": "web", "protocol": "http", "port": port, "ports": [port], "options": {"arguments": {"--directory": "/"}}}
    expect(await agent.feed_start_service(start) == {"status": "started"}, None)
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.close()
    expect(await agent.feed_start_service(start) == {"status": "running"}, None)
    await agent.feed_shutdown_service("web")
    while True:
        try:
            (await asyncio.open_connection("127.0.0.1", port))[1].close()
        except OSError:
            break
    refused = await agent.feed_start_service({**start, "options": {"arguments": {"--evil": "x"}}})
    expect(refused["status"] == "failed" and "--evil" in refused["error"], refused)
    expect((await agent.feed_start_service({**start, "name": "nope"}))["status"] == "failed", None)
    own = {"name": "8888", "protocol": "preopen", "port": 8888, "ports": [8888], "options": {}}
    expect(await agent.feed_start_service(own) == {"status": "started"}, None)


@operation
async def a_model_is_served_and_monitored(agent, container):
    port = free_port()
    model = {"name": "m", "model_path": str(container.work), "service": {
        "start_command": ["{runtime_path}", "-m", "http.server", "{ports[0]}"], "port": port,
        "pre_start_actions": [{"action": "mkdir", "args": {"path": "healthy"}}],
        "health_check": {"enable": True, "path": "/healthy/", "interval": 1.0, "max_retries": 2, "max_wait_time": 5.0,
                         "expected_status_code": 200},
    }}
    # The class does not report the health of a model.
    seen = await messages_after(agent, [(b"start-model-service", json.dumps(model).encode())], last=b"model-service-status")
    expect([(name, json.loads(data)) for name, data in seen] == [
        (b"model-service-result", {"status": "started"}),
        (b"model-service-status", {"model_name": "m", "is_healthy": True}),
    ] and (container.work / "healthy").is_dir(), seen)


@operation
async def invalid_messages_are_skipped(agent, container):
    odd = [(b"dance", b""), (b"code",), (b"exec", b"echo a", b"echo b"), (b"start-service", b"{"), (b"\xff", b""), (b"code", b"print(8)")]
    seen = await messages_after(agent, odd)
    said = b"".join(data for name, data in seen if name == b"stdout")
    names = {name for name, _ in seen}
    expect(said == b"8\n" and names == {b"service-result", b"stdout", b"finished"}, seen)


@operation
async def a_flood_of_output_is_complete(agent, container):
    statuses, console = await query(agent, "for n in range(500_000): print(f'{n:09}')")
    expect(statuses == [("finished", 0)], statuses)
    text = "".join(data for kind, data in console if kind == "stdout")
    expect(text == "".join(f"{n:09}\n" for n in range(500_000)), len(text))


@operation
async def a_run_continues_while_the_agent_is_away(agent, container):
    run_id = secrets.token_hex(16)
    await agent.attach_output_queue(run_id)
    await agent.feed_code("import os\nprint('before', flush=True)\nwhile not os.path.exists('back'): pass\nprint('after')")
    while True:
        await agent.attach_output_queue(run_id)
        if "before" in str((await agent.get_next_result(flush_timeout=0.5))["console"]):
            break
    await agent.close()
    # The class closes its sockets in the background.
    while any(link.status == "ESTABLISHED" for link in psutil.Process(container.process.pid).net_connections("tcp")):
        await asyncio.sleep(0.01)
    again = await container.agent()
    try:
        await again.attach_output_queue(run_id)
        # The answer to its first ping shows that the runner has noticed the new agent.
        expect((await again.ping())["started_at"] >= 0, None)
        (container.work / "back").touch()
        seen = await collect(again, run_id)
        expect(seen == ([("finished", 0)], [("stdout", "after\n")]), seen)
    finally:
        await again.close()


async def main(binary):
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        container = Container(folder, binary)
        await container.start()
        try:
            agent = await container.agent()
            for operation in OPERATIONS:
                name = operation.__name__.replace("_", " ")
                try:
                    await asyncio.wait_for(operation(agent, container), LIMIT)
                    print(f"ok      {name}")
                except Exception:
                    failed += 1
                    print(f"FAILED  {name}\n{traceback.format_exc()}")
            await agent.close()
        finally:
            container.process.send_signal(signal.SIGTERM)
            code = await asyncio.wait_for(container.process.wait(), LIMIT)
    if code != 0:
        failed += 1
        print(f"FAILED  the runner ended with {code}")
    return 1 if failed else 0


sys.exit(asyncio.run(main(os.path.abspath(sys.argv[1]))))
