# Owns what the binary is made of: the bill of materials against the binary, Cargo.lock and the schema of its form, and the
# numbers that the guide states.

import json
import re
import tomllib
import unittest

from harness import BINARY, DOCKER, ROOT, output

TARGET = "x86_64-unknown-linux-musl"


class SupplyChain(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.bill = json.loads(output(DOCKER / "sbom", TARGET))
        cls.listed = {f"{one['name']}-{one['version']}": one for one in cls.bill["components"]}

    def test_the_bill_lists_each_package_whose_code_is_in_the_binary(self):
        # Panics name the file of their code, and line tables those of all code.
        paths = re.findall(rb"/registry/src/[^/\0]+/([a-z0-9_.+-]+)/", BINARY.read_bytes(), re.IGNORECASE)
        found = {name.decode() for name in paths}
        self.assertGreater(len(found), 30, "paths of packages in the binary")
        shipped = {name for name, one in self.listed.items() if one["scope"] == "required"}
        self.assertEqual(found - shipped, set(), "in the binary and not in docker/sbom")

    def test_each_package_has_the_hash_of_the_lock_file_and_a_licence(self):
        lock = tomllib.loads((ROOT / "Cargo.lock").read_text())
        hashes = {f"{one['name']}-{one['version']}": one.get("checksum") for one in lock["package"]}
        for name, one in self.listed.items():
            self.assertTrue(one["licenses"][0]["expression"], name)
            if hashes[name] is None:
                self.assertTrue(name.startswith("resound-"), f"{name} has no hash in Cargo.lock")
            else:
                self.assertEqual(one["hashes"], [{"alg": "SHA-256", "content": hashes[name]}], name)

    def test_the_same_commit_gives_the_same_bill(self):
        self.assertEqual(json.loads(output(DOCKER / "sbom", TARGET)), self.bill)
        self.assertEqual((self.bill["bomFormat"], self.bill["specVersion"]), ("CycloneDX", "1.5"))
        references = [one["bom-ref"] for one in self.bill["components"]]
        self.assertEqual(len(references), len(set(references)))

    def test_the_guide_states_how_many_packages_there_are(self):
        count = output(DOCKER / "sbom", "--count", TARGET).strip()
        print(f"supply chain: {count}; {BINARY.stat().st_size} bytes of {BINARY.name} as it was tested")
        self.assertIn(count.replace(f" for {TARGET}", ""), (DOCKER / "README.md").read_text())
