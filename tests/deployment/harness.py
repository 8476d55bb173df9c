# Owns what the tests of deployment share: the repository, the binary, calls of programs, waiting with a deadline.

import json
import os
import pathlib
import socket
import subprocess
import sys
import time

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCKER = ROOT / "docker"
BINARY = pathlib.Path(os.environ["RESOUND_BIN"])
# What is set around the tests must not configure the servers that they start.
for name in [name for name in os.environ if name.startswith(("RESOUND_", "REVERB_", "REDIS_"))]:
    del os.environ[name]
TOOLS = pathlib.Path(sys.executable).parent
DEADLINE = 60


def output(*command, **options):
    """What a program prints; the test fails with all of its output if the program does."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise AssertionError(f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def until(condition, what):
    """Asks again and again until the answer is truthy; that answer is the result."""
    end = time.monotonic() + DEADLINE
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"{what()} did not happen within {DEADLINE} s")
        time.sleep(0.02)


def documents(path):
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def default(key):
    """A number of config/defaults.toml, by section and key."""
    section, name = key.split(".")
    current = None
    for line in (ROOT / "config/defaults.toml").read_text().splitlines():
        if line.startswith("["):
            current = line.strip("[]")
        elif current == section and line.startswith(f"{name} = "):
            return json.loads(line.partition(" = ")[2])
    raise AssertionError(f"{key} is no key of config/defaults.toml")
