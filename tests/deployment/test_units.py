# Owns the unit of systemd, which systemd-analyze reads, and the program section of Supervisor, which supervisord runs.

import os
import pathlib
import re
import signal
import subprocess
import tempfile
import unittest

from harness import BINARY, DOCKER, default, free_port, output, until

APP = '[[apps]]\nid = "1"\nkey = "k"\nsecret = "s"\n'


class Systemd(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.unit = pathlib.Path(self.folder.name) / "resound.service"
        text = (DOCKER / "systemd/resound.service").read_text()
        self.unit.write_text(text.replace("/usr/bin/resound", str(BINARY)).replace("man:resound(1)", "https://example.com"))

    def test_systemd_reads_every_line(self):
        socket = self.unit.with_suffix(".socket")
        socket.write_text((DOCKER / "systemd/resound.socket").read_text())
        done = subprocess.run(["systemd-analyze", "verify", self.unit, socket], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_systemd_counts_it_as_locked_up(self):
        report = output("systemd-analyze", "security", "--offline=true", self.unit)
        exposure = float(re.search(r"Overall exposure level for resound.service: ([\d.]+)", report)[1])
        self.assertLessEqual(exposure, 2.0)

    def test_the_drain_ends_before_the_process_is_killed(self):
        seconds = int(re.search(r"^TimeoutStopSec=(\d+)", self.unit.read_text(), re.M)[1])
        self.assertGreater(seconds, default("server.drain_seconds"))


class Supervisor(unittest.TestCase):
    """supervisord with the shipped section, in which only paths and the user are changed."""

    def start(self, configuration):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.here = pathlib.Path(folder.name)
        (self.here / "reverb.toml").write_text(configuration)
        section = (DOCKER / "supervisor.conf").read_text()
        changes = {
            "/usr/bin/resound": str(BINARY),
            "/etc/resound/reverb.toml": f"{self.here}/reverb.toml",
            "user=resound\n": "",
            "/var/log/supervisor/resound.log": f"{self.here}/resound.log",
        }
        for before, after in changes.items():
            self.assertEqual(section.count(before), 1, before)
            section = section.replace(before, after)
        (self.here / "supervisord.conf").write_text(
            f"[supervisord]\nnodaemon=true\nuser=root\nlogfile={self.here}/supervisord.log\npidfile={self.here}/pid\n"
            f"[unix_http_server]\nfile={self.here}/socket\n"
            "[rpcinterface:supervisor]\n"
            "supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface\n"
            f"[supervisorctl]\nserverurl=unix://{self.here}/socket\n{section}"
        )
        daemon = subprocess.Popen(
            ["supervisord", "-c", self.here / "supervisord.conf"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self.addCleanup(daemon.wait)
        self.addCleanup(daemon.terminate)
        until((self.here / "socket").exists, lambda: "supervisord listening")

    def control(self, *words):
        command = ["supervisorctl", "-c", str(self.here / "supervisord.conf"), *words]
        return subprocess.run(command, capture_output=True, text=True).stdout

    def until_status(self, wanted):
        seen = lambda: self.control("status", "resound")
        until(lambda: wanted in seen(), lambda: f"{wanted}: {seen()}")
        return seen()

    def pid(self):
        return int(re.search(r"pid (\d+)", self.until_status("RUNNING"))[1])

    def test_a_crash_is_followed_by_a_start_and_a_stop_by_a_drain(self):
        self.start(f'[server]\nhost = "127.0.0.1"\nport = {free_port()}\n{APP}')
        first = self.pid()
        os.kill(first, signal.SIGKILL)
        until(lambda: f"pid {first}," not in self.control("status", "resound"), lambda: "the crash being noticed")
        self.assertNotEqual(self.pid(), first)
        self.assertEqual(self.control("stop", "resound"), "resound: stopped\n")
        log = (self.here / "supervisord.log").read_text()
        self.assertIn("stopped: resound (exit status 0)", log)

    def test_a_configuration_that_is_wrong_is_not_tried_again_and_again(self):
        self.start(f"[server]\nprt = 1\n{APP}")
        status = self.until_status("FATAL")
        self.assertIn("Exited too quickly", status)
        self.assertIn("prt is not known", (self.here / "resound.log").read_text())
