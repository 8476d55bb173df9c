# Owns the manifests: each against the schema of the tool that reads it, and what two files say of one thing against each other.

import json
import re
import unittest

from harness import DOCKER, ROOT, TOOLS, default, documents, output

KUBERNETES = DOCKER / "kubernetes"
# A resource of the operator of Prometheus, and kubectl's own file: neither is in Kubernetes' schemas.
WITHOUT_SCHEMA = ["ServiceMonitor", "Kustomization"]


def resource(kind):
    found = [one for path in KUBERNETES.glob("*.yaml") for one in documents(path) if one["kind"] == kind]
    assert len(found) == 1, f"{kind}: {len(found)}"
    return found[0]


class Schemas(unittest.TestCase):
    def test_kubernetes(self):
        files = [path for path in KUBERNETES.glob("*.yaml") if documents(path)[0]["kind"] not in WITHOUT_SCHEMA]
        self.assertGreaterEqual(len(files), 5)
        output(TOOLS / "kubernetes-validate", "--strict", "--quiet", *files)

    def test_kubernetes_schemas_refuse_what_is_misspelt(self):
        deployment = documents(KUBERNETES / "deployment.yaml")[0]
        deployment["spec"]["template"]["spec"]["terminationGracePeriod"] = 30
        path = ROOT / "target/misspelt.yaml"
        path.write_text(json.dumps(deployment))
        with self.assertRaisesRegex(AssertionError, "terminationGracePeriod"):
            output(TOOLS / "kubernetes-validate", "--strict", path)

    def test_compose(self):
        output(TOOLS / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", *DOCKER.glob("compose*.yaml"))

    def test_workflows(self):
        files = (ROOT / ".github/workflows").glob("*.yml")
        output(TOOLS / "check-jsonschema", "--builtin-schema", "vendor.github-workflows", *files)


class Kubernetes(unittest.TestCase):
    def setUp(self):
        self.deployment = resource("Deployment")
        self.pod = self.deployment["spec"]["template"]
        (self.container,) = self.pod["spec"]["containers"]
        self.ports = {port["name"]: port["containerPort"] for port in self.container["ports"]}

    def test_every_selector_finds_the_pods(self):
        labels = self.pod["metadata"]["labels"].items()
        selectors = [
            self.deployment["spec"]["selector"]["matchLabels"],
            resource("Service")["spec"]["selector"],
            resource("PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
            resource("NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
        ]
        for selector in selectors:
            self.assertLessEqual(selector.items(), labels)
        service = resource("Service")["metadata"]["labels"].items()
        self.assertLessEqual(resource("ServiceMonitor")["spec"]["selector"]["matchLabels"].items(), service)
        self.assertEqual(resource("HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]["name"], self.deployment["metadata"]["name"])

    def test_every_port_has_the_name_and_the_number_of_the_server(self):
        environment = {entry["name"]: entry["value"] for entry in self.container["env"]}
        self.assertEqual(self.ports["http"], default("server.port"))
        self.assertEqual(f"0.0.0.0:{self.ports['metrics']}", environment["RESOUND_METRICS_LISTEN"])
        names = [self.container[probe]["httpGet"]["port"] for probe in ("livenessProbe", "readinessProbe")]
        names += [port["targetPort"] for port in resource("Service")["spec"]["ports"]]
        names += [endpoint["port"] for endpoint in resource("ServiceMonitor")["spec"]["endpoints"]]
        names += [port["port"] for rule in resource("NetworkPolicy")["spec"]["ingress"] for port in rule["ports"]]
        for name in names:
            self.assertIn(name, self.ports)

    def test_the_drain_ends_before_the_pod_is_killed(self):
        waits = self.container["lifecycle"]["preStop"]["sleep"]["seconds"]
        drain = default("server.drain_seconds")
        self.assertGreater(self.pod["spec"]["terminationGracePeriodSeconds"], waits + drain)

    def test_readiness_ends_before_the_drain_begins(self):
        probe = self.container["readinessProbe"]
        self.assertGreater(self.container["lifecycle"]["preStop"]["sleep"]["seconds"], probe["periodSeconds"] * probe["failureThreshold"])

    def test_the_service_injects_no_variable_that_looks_like_a_setting(self):
        self.assertNotRegex(resource("Service")["metadata"]["name"], r"^(resound|reverb|redis)")
        self.assertIs(self.pod["spec"]["enableServiceLinks"], False)

    def test_the_user_is_that_of_the_image(self):
        user = re.search(r"^USER (\d+):(\d+)$", (DOCKER / "Dockerfile").read_text(), re.M)
        context = self.pod["spec"]["securityContext"]
        self.assertEqual((context["runAsUser"], context["runAsGroup"]), (int(user[1]), int(user[2])))

    def test_the_kustomization_names_every_file_but_the_optional_one(self):
        listed = resource("Kustomization")["resources"]
        present = [path.name for path in KUBERNETES.glob("*.yaml")]
        self.assertEqual(sorted(listed + ["kustomization.yaml", "service-monitor.yaml"]), sorted(present))


class Compose(unittest.TestCase):
    def test_every_file_that_is_mounted_exists(self):
        for path in DOCKER.glob("compose*.yaml"):
            (compose,) = documents(path)
            for service in compose["services"].values():
                for volume in service.get("volumes", []):
                    source = volume.partition(":")[0]
                    if source.startswith("."):
                        self.assertTrue((DOCKER / source).exists(), f"{path.name}: {source}")

    def test_the_drain_ends_before_the_node_is_killed(self):
        for path in DOCKER.glob("compose*.yaml"):
            (compose,) = documents(path)
            seconds = int(compose["services"]["resound"]["stop_grace_period"].removesuffix("s"))
            self.assertGreater(seconds, default("server.drain_seconds"))

    def test_prometheus_scrapes_the_port_where_the_nodes_have_their_metrics(self):
        (compose,) = documents(DOCKER / "compose.yaml")
        port = compose["services"]["resound"]["environment"]["RESOUND_METRICS_LISTEN"].rpartition(":")[2]
        self.assertIn(f"port: {port}\n", compose["configs"]["prometheus"]["content"])
