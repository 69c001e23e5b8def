"""Prepare the installation, then hand over to honcho, which runs the Procfile until Ctrl-C."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from demo import environment


def main() -> None:
    folder = environment.data_dir()
    environment.hide_answers(folder)
    values = environment.prepare(folder)
    # The process environment wins over the file for whatever the caller has set; ports are in the values already.
    env = {**values, **os.environ, **environment.port_values(values)}
    env |= {"PATCHBAY_DATA_DIR": str(folder), "PYTHON": sys.executable, "PYTHONUNBUFFERED": "1"}
    for command in (["migrate", "--verbosity", "0"], ["seed_demo"]):
        subprocess.run([sys.executable, "manage.py", *command], cwd=environment.ROOT, env=env, check=True)
    os.chdir(environment.ROOT)
    honcho = Path(sys.executable).with_name("honcho")
    arguments = [str(honcho), "start", "--no-prefix", "--no-colour", "--env", str(folder / ".env")]
    os.execve(honcho, arguments, env)


if __name__ == "__main__":
    main()
