# Owns webhooks as a Python back end takes them: the PyPI `pusher` SDK accepts every call, and refuses what was tampered with.

import json
import queue
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from harness import DEADLINE, HOST, Suite


class Recorder:
    """An HTTP server that takes every call and keeps it as (headers, body)."""

    def __init__(self):
        self.calls = calls = queue.Queue()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                calls.put((self.headers, self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer((HOST, 0), Handler)
        self.url = f"http://{HOST}:{self.http.server_address[1]}/pusher"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def close(self):
        self.http.shutdown()
        self.http.server_close()


class Webhooks(Suite):
    @classmethod
    def setUpClass(cls):
        cls.recorder = Recorder()
        cls.addClassCleanup(cls.recorder.close)
        cls.app_settings = f'[[apps.webhooks]]\nurl = "{cls.recorder.url}"\n'
        super().setUpClass()

    def call(self):
        """The next call: what the SDK makes of it, its header fields and its body as they came."""
        headers, body = self.recorder.calls.get(timeout=DEADLINE)
        taken = self.sdk.validate_webhook(headers["X-Pusher-Key"], headers["X-Pusher-Signature"], body.decode())
        self.assertIsNotNone(taken, f"the SDK refuses {body}")
        return taken, headers, body

    def until(self, *wanted):
        """Takes calls until each (name, channel) wanted was told; gives all events told meanwhile."""
        told, missing = [], set(wanted)
        while missing:
            taken, headers, _ = self.call()
            self.assertEqual(headers["Content-Type"], "application/json")
            told.extend(taken["events"])
            missing -= {(event["name"], event["channel"]) for event in taken["events"]}
        return told

    def test_the_sdk_accepts_every_call(self):
        listener = self.listener("presence-a", "cache-a", user="7")
        listener.whisper("presence-a", "client-typing", {"text": "Zoë 🚚"})
        joined = self.until(("channel_occupied", "cache-a"), ("cache_miss", "cache-a"), ("client_event", "presence-a"))
        listener.close()
        left = self.until(("channel_vacated", "presence-a"), ("member_removed", "presence-a"), ("channel_vacated", "cache-a"))
        [whisper] = [event for event in joined if event["name"] == "client_event"]
        self.assertEqual(json.loads(whisper.pop("data")), {"text": "Zoë 🚚"})
        names = {"channel": "presence-a", "event": "client-typing", "socket_id": listener.socket_id, "user_id": "7"}
        self.assertEqual(whisper, {"name": "client_event", **names})
        self.assertIn({"name": "member_added", "channel": "presence-a", "user_id": "7"}, joined)
        self.assertIn({"name": "member_removed", "channel": "presence-a", "user_id": "7"}, left)

    def test_the_sdk_refuses_another_body_key_or_secret(self):
        self.listener("tampered")
        headers, body = self.recorder.calls.get(timeout=DEADLINE)
        key, signature, text = headers["X-Pusher-Key"], headers["X-Pusher-Signature"], body.decode()
        self.assertIsNotNone(self.sdk.validate_webhook(key, signature, text))
        self.assertIsNone(self.sdk.validate_webhook(key, signature, text + " "))
        self.assertIsNone(self.sdk.validate_webhook("other-key", signature, text))
        self.assertIsNone(self.client(secret="other-secret").validate_webhook(key, signature, text))
