"""nginx processes, each in a folder of its own that is rendered from the files in conf/."""

import contextlib
import re
import socket
import subprocess
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
# What nginx itself calls an error, in its log.
COMPLAINT = re.compile(r"\[(error|crit|alert|emerg)\]|panicked")


class Failure(Exception):
    """The benchmark can't go on, or would measure the wrong thing: a sentence for the reader."""


class Programs:
    """What is run: nginx, its modules, and the module under test; perhaps a build of it without L1."""

    def __init__(self, nginx, module, module_without_l1, scratch):
        self.nginx = nginx
        self.module = Path(module).resolve()
        self.module_without_l1 = module_without_l1 and Path(module_without_l1).resolve()
        self.scratch = Path(scratch)
        words = subprocess.run([nginx, "-V"], capture_output=True, text=True, check=True).stderr
        self.nginx_version = re.search(r"nginx/(\S+)", words)[1]
        modules = re.search(r"--modules-path=(\S+)", words)
        self.nginx_modules = Path(modules[1]) if modules else Path("/usr/lib/nginx/modules")

    @property
    def has_lua(self):
        return (self.nginx_modules / "ngx_http_lua_module.so").exists()


class Nginx:
    """One running nginx. `conf` names the file in conf/ that is its configuration, `values` what is put in."""

    def __init__(self, programs, conf, values, *, workers=1, under=(), more_conf=""):
        self.conf = conf
        self.workers = workers
        self.port = free_port()
        self.folder = programs.scratch / f"{conf}-{self.port}"
        self._render(programs, values | {"listen": self.port, "workers": workers})
        with open(self.folder / "main.conf", "a", encoding="utf-8") as main:
            main.write(more_conf)
        command = [*under, str(programs.nginx), "-p", f"{self.folder}/", "-c", f"{conf}.conf", "-e", "error.log"]
        self.process = subprocess.Popen(command, cwd=self.folder, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def __enter__(self):
        try:
            self._await_listening()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def _render(self, programs, values):
        self.folder.mkdir(parents=True)
        for template in (HERE / "conf").iterdir():
            text = template.read_text(encoding="utf-8")
            # What a file doesn't get is a matter of the files that are not this nginx's.
            text = re.sub(r"@([a-z_]+)@", lambda at: str(values.get(at[1], at[0])), text)
            (self.folder / template.name).write_text(text, encoding="utf-8")
        # Through links, so that no character of the paths means something in nginx's configuration.
        (self.folder / "module.so").symlink_to(programs.module)
        if programs.module_without_l1:
            (self.folder / "module-without-l1.so").symlink_to(programs.module_without_l1)
        (self.folder / "modules").symlink_to(programs.nginx_modules)

    def _await_listening(self):
        # valgrind takes seconds.
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise Failure(f"nginx did not start with {self.conf}.conf:\n{self.log().strip()}")
            if is_listening(self.port):
                return
            time.sleep(0.01)
        raise Failure(f"nginx with {self.conf}.conf did not listen within a minute")

    def log(self):
        try:
            return (self.folder / "error.log").read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def check_log(self):
        lines = [line for line in self.log().splitlines() if COMPLAINT.search(line)]
        if lines:
            raise Failure(f"nginx with {self.conf}.conf complains, {len(lines)} times, first:\n{lines[0]}")

    def worker_pids(self):
        """The pids of the workers: a cache manager and a loader may be beside them."""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            pids = [pid for pid in children_of(self.process.pid) if command_of(pid).startswith("nginx: worker")]
            if len(pids) == self.workers:
                return pids
            time.sleep(0.01)
        raise Failure(f"nginx with {self.conf}.conf has {len(pids)} workers instead of {self.workers}")

    def stop(self):
        for _ in range(20):
            if self.process.poll() is not None:
                return
            # Again and again: a process that is alone misses a signal that comes just before it waits for events.
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(1)
        self.process.kill()
        self.process.wait()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_listening(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def children_of(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def command_of(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
