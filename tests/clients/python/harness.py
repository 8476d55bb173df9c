# Owns what the Python suites share: the server under test, the SDK pointed at it, and a listener with a stock client.

import json
import os
import queue
import random
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.request

import pusher

HOST = "127.0.0.1"
APP_ID, KEY, SECRET = "123456", "reverb-key", "reverb-secret"
DEADLINE = 60
# Below the range the kernel hands to outgoing connections.
PORTS = range(30_000, 32_000)
HERE = os.path.dirname(os.path.abspath(__file__))
CONFIG = """
[server]
host = "{host}"
port = {port}
[app]
activity_timeout = 30
# What hosted Pusher takes.
max_event_data_bytes = 10240
[[apps]]
id = "{id}"
key = "{key}"
secret = "{secret}"
"""


class Server:
    """The server under test, healthy once the constructor returns."""

    def __init__(self, app_settings=""):
        self.port = _free_port()
        self.folder = tempfile.mkdtemp(prefix="resound-clients-")
        path = os.path.join(self.folder, "resound.toml")
        with open(path, "w") as file:
            file.write(CONFIG.format(host=HOST, port=self.port, id=APP_ID, key=KEY, secret=SECRET) + app_settings)
        self.log = open(os.path.join(self.folder, "log"), "w+")
        command = [os.environ["RESOUND_BIN"], "serve", "--config", path]
        # The server reads its own variables and refuses unknown ones: the file alone configures it.
        plain = {name: value for name, value in os.environ.items() if not name.startswith(("RESOUND_", "REVERB_"))}
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log, env=plain)
        self._wait_until_healthy()

    def _wait_until_healthy(self):
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end and self.process.poll() is None:
            try:
                with urllib.request.urlopen(f"http://{HOST}:{self.port}/up", timeout=1) as answer:
                    if json.load(answer) == {"health": "OK"}:
                        return
            except OSError:
                time.sleep(0.01)
        self.log.seek(0)
        text = self.log.read()
        self.close()
        raise RuntimeError(f"the server did not become healthy:\n{text}")

    def close(self):
        self.process.kill()
        self.process.wait()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class Listener:
    """A pusher-js client in a process of its own; the Python SDK signs its subscriptions, as a Python back end would."""

    def __init__(self, port, sdk, user=None):
        self.sdk, self.user, self.codes = sdk, user, None
        self._lines = queue.Queue()
        command = ["node", os.path.join(HERE, "subscriber.mjs"), HOST, str(port), KEY]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        threading.Thread(target=self._read, daemon=True).start()
        self.socket_id = self.next("connected")["connected"]

    def _read(self):
        for line in self.process.stdout:
            told = json.loads(line)
            if "authorize" in told:
                self._authorize(told)
            else:
                self._lines.put(told)

    def _authorize(self, request):
        member = {"user_id": self.user, "user_info": {"name": "Zoë"}} if request["channel"].startswith("presence-") else None
        answer = self.sdk.authenticate(request["channel"], request["socket_id"], member)
        self._say({"authorized": request["authorize"], "answer": answer})

    def _say(self, order):
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()

    def subscribe(self, *channels):
        for channel in channels:
            self._say({"subscribe": channel})
            told = self.next("subscribed", "refused")
            assert told == {"subscribed": channel}, told
        return self

    def whisper(self, channel, event, data):
        self._say({"whisper": channel, "event": event, "data": data})

    def next(self, *kinds):
        """The next thing told; it must be of one of these kinds."""
        told = self._lines.get(timeout=DEADLINE)
        assert any(kind in told for kind in kinds), f"{told}, not one of {kinds}"
        return told

    def event(self):
        """The next event as (channel, event, data)."""
        told = self.next("event")
        return told["channel"], told["event"], told.get("data")

    def close(self):
        if self.process.stdin.closed:
            return
        self.process.stdin.close()
        self.process.wait(timeout=DEADLINE)
        self.process.stdout.close()


class Suite(unittest.TestCase):
    """One server for the tests of a class; listeners end with their test. `app_settings`: TOML that follows the app's keys."""

    app_settings = ""

    @classmethod
    def setUpClass(cls):
        cls.server = Server(cls.app_settings)
        cls.addClassCleanup(cls.server.close)
        cls.sdk = cls.client()

    @classmethod
    def client(cls, app_id=APP_ID, key=KEY, secret=SECRET):
        return pusher.Pusher(app_id=app_id, key=key, secret=secret, host=HOST, port=cls.server.port, ssl=False)

    def listener(self, *channels, user=None):
        listener = Listener(self.server.port, self.sdk, user)
        self.addCleanup(listener.close)
        return listener.subscribe(*channels)


def _free_port():
    while True:
        port = random.choice(PORTS)
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
        return port
