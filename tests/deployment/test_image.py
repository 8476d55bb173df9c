# Owns what the image contains: the binary runs with two files, read-only, as a user without a name, without /tmp, /proc, /dev.

import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import unittest
import urllib.request

from harness import BINARY, DOCKER, free_port, output, until

CERTIFICATES = "etc/ssl/certs/ca-certificates.crt"
CONFIGURATION = """
[[apps]]
id = "1"
key = "k"
secret = "s"
[[apps.webhooks]]
url = "https://webhooks.example/"
"""
# The root becomes read-only, in a namespace of its own.
INSIDE = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && shift && exec "$@"'


def libraries(binary):
    """What a binary needs that is not static; a release has nothing of it."""
    done = subprocess.run(["ldd", binary], capture_output=True, text=True)
    return re.findall(r"(/\S+) \(0x", done.stdout)


class Image(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        self.root.chmod(0o755)
        for source, target in [(BINARY, "usr/bin/resound"), (f"/{CERTIFICATES}", CERTIFICATES)]:
            self.add(source, target)
        for library in libraries(BINARY):
            self.add(library, library.lstrip("/"))
        (self.root / "reverb.toml").write_text(CONFIGURATION)

    def add(self, source, target):
        (self.root / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, self.root / target)

    def resound(self, *words, **options):
        user = re.search(r"^USER (\S+)$", (DOCKER / "Dockerfile").read_text(), re.M)[1]
        chroot = ["chroot", f"--userspec={user}", "--groups=", self.root, "/usr/bin/resound", *words]
        command = ["unshare", "--mount", "sh", "-c", INSIDE, "sh", self.root, "setpriv", "--no-new-privs", "--bounding-set=-all"]
        # chroot itself needs that right; it is gone with the user.
        command[-1] += ",+sys_chroot,+setuid,+setgid"
        return subprocess.Popen([str(word) for word in command + chroot], text=True, env={"PATH": os.environ["PATH"]}, **options)

    def test_it_serves_publishes_and_drains(self):
        port = free_port()
        server = self.resound("serve", "--config", "/reverb.toml", "--host", "127.0.0.1", "--port", str(port), stderr=subprocess.PIPE)
        self.addCleanup(server.stderr.close)
        self.addCleanup(server.kill)

        def is_ready():
            if server.poll() is not None:
                self.fail(server.stderr.read())
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready") as answer:
                    return answer.status == 200
            except OSError:
                return False

        until(is_ready, lambda: "GET /ready answering 200")
        url = f"http://127.0.0.1:{port}"
        trigger = self.resound("trigger", "orders", "shipped", "{}", "--config", "/reverb.toml", "--url", url, stdout=subprocess.PIPE)
        self.assertEqual((trigger.communicate()[0], trigger.returncode), ("{}\n", 0))
        healthy = self.resound("healthcheck", "--url", f"{url}/ready", stdout=subprocess.PIPE)
        self.assertIn('"ready":true', healthy.communicate()[0])
        self.assertEqual(healthy.returncode, 0)
        server.send_signal(signal.SIGTERM)
        self.assertEqual(server.wait(20), 0)

    def test_without_the_certificates_it_names_what_is_missing(self):
        (self.root / CERTIFICATES).unlink()
        server = self.resound("serve", "--config", "/reverb.toml", "--host", "127.0.0.1", "--port", "0", stderr=subprocess.PIPE)
        _, errors = server.communicate(timeout=20)
        self.assertEqual(server.returncode, 1, errors)
        self.assertIn("ca-certificates", errors)

    def test_the_dockerfile_copies_these_files_and_no_other(self):
        text = (DOCKER / "Dockerfile").read_text()
        self.assertEqual(re.findall(r"cp (\S+) /image/(\S+)", text)[:2], [
            ("target/static/resound", "usr/bin/resound"),
            (f"/{CERTIFICATES}", "etc/ssl/certs/"),
        ])
        final = text[text.index("FROM scratch"):]
        self.assertEqual(re.findall(r"^COPY (.+)$", final, re.M), ["--from=build /image /"])
