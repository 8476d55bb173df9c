# Owns the Debian package: made by docker/debian/package of the binary under test, installed on a copy of this machine that
# is gone afterwards, configured, installed again, removed, purged.

import subprocess
import unittest

from harness import BINARY, ROOT, output

ARCHITECTURE = output("dpkg", "--print-architecture").strip()

# In a mount namespace: what is written goes to memory. The second argument is the package.
INSIDE = r"""
set -eu
mount --make-rprivate /
mount -t tmpfs none "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
mount -t proc proc "$1/root/proc"
cp "$2" "$1/root/resound.deb"
exec chroot "$1/root" /bin/sh -eu -c '
    as_resound() { setpriv --reuid resound --regid resound --clear-groups "$@"; }
    # Memory needs no fsync, and the index of all manual pages is not of interest.
    package() { dpkg --force-unsafe-io --no-triggers "$@" >&2; }
    export DEBIAN_FRONTEND=noninteractive
    package --install resound.deb
    id -un resound
    stat --format="%U:%G %a" /etc/resound /etc/resound/reverb.toml
    as_resound resound check --config /etc/resound/reverb.toml
    systemctl is-enabled resound || true
    test -s /usr/share/bash-completion/completions/resound
    test ! -w /etc/resound/reverb.toml || as_resound test ! -w /etc/resound/reverb.toml
    echo "# changed" >> /etc/resound/reverb.toml
    package --install resound.deb
    tail -n 1 /etc/resound/reverb.toml
    package --remove resound
    test ! -e /usr/bin/resound
    tail -n 1 /etc/resound/reverb.toml
    package --purge resound
    test ! -e /etc/resound
    echo gone
'
"""


class Package(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        stripped = ROOT / "target/package-binary"
        output("strip", "-o", stripped, BINARY)
        package = output("docker/debian/package", ARCHITECTURE, stripped, "--fast", cwd=ROOT).split()[-1]
        cls.package = ROOT / package

    def test_it_has_the_files_where_debian_looks_for_them(self):
        lines = output("dpkg", "--contents", self.package).splitlines()
        files = {line.split()[5]: (line.split()[0], line.split()[1]) for line in lines}
        for path, mode in {
            "./usr/bin/resound": "-rwxr-xr-x",
            "./usr/lib/systemd/system/resound.service": "-rw-r--r--",
            "./usr/lib/sysusers.d/resound.conf": "-rw-r--r--",
            "./usr/share/man/man1/resound.1.gz": "-rw-r--r--",
            "./usr/share/man/man1/resound-serve.1.gz": "-rw-r--r--",
            "./usr/share/bash-completion/completions/resound": "-rw-r--r--",
            "./usr/share/zsh/vendor-completions/_resound": "-rw-r--r--",
            "./usr/share/fish/vendor_completions.d/resound.fish": "-rw-r--r--",
            "./usr/share/doc/resound/defaults.toml": "-rw-r--r--",
            "./etc/resound/reverb.toml": "-rw-r-----",
        }.items():
            self.assertEqual(files.get(path), (mode, "0/0"), path)

    def test_it_installs_and_goes_without_a_trace_but_keeps_what_the_administrator_wrote(self):
        folder = ROOT / "target/package-root"
        folder.mkdir(exist_ok=True)
        command = ["unshare", "--mount", "sh", "-c", INSIDE, "sh", folder, self.package]
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, cwd="/")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        lines = done.stdout.splitlines()
        self.assertEqual(lines[:3], ["resound", "root:resound 750", "root:resound 640"])
        self.assertIn("ok", lines)
        self.assertIn("disabled", lines)
        self.assertEqual(lines[-3:], ["# changed", "# changed", "gone"])
