"""Prepare the installation, then hand over to honcho, which runs the Procfile until Ctrl-C."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

from demo import environment


def main() -> None:
    folder = environment.data_dir()
    values = environment.values(folder)
    refuse_taken_ports(values)
    environment.write(folder, values)
    environment.hide_answers(folder)
    # The process environment wins over the file for whatever the caller has set; ports are in the values already.
    env = {**values, **os.environ, **environment.port_values(values)}
    env |= {"PATCHBAY_DATA_DIR": str(folder), "PYTHON": sys.executable, "PYTHONUNBUFFERED": "1"}
    for command in (["migrate", "--verbosity", "0"], ["seed_demo"]):
        subprocess.run([sys.executable, "manage.py", *command], cwd=environment.ROOT, env=env, check=True)
    os.chdir(environment.ROOT)
    honcho = Path(sys.executable).with_name("honcho")
    arguments = [str(honcho), "start", "--no-prefix", "--no-colour", "--env", str(folder / ".env")]
    os.execve(honcho, arguments, env)


def refuse_taken_ports(values: dict[str, str]) -> None:
    """Say which port is taken, before half of the processes have started."""
    for variable, name in (("PORT", "WEB_PORT"), ("SANDBOX_PORT", "SANDBOX_PORT")):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", int(values[name])))
            except (OSError, ValueError, OverflowError) as error:
                sys.exit(
                    f"{variable} {values[name]} cannot be used ({error}). Is another `make run` still running? "
                    f"Another port: {variable}=9000 make run"
                )


if __name__ == "__main__":
    main()
