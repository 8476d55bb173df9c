# Owns the export of traces, as the official definition of the protocol reads it.

import base64
import json
import queue
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from harness import DEADLINE, HOST, Suite

IDS = ("traceId", "spanId", "parentSpanId")


class Collector(BaseHTTPRequestHandler):
    calls = queue.Queue()

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        Collector.calls.put((self.path, self.headers["Content-Type"], body))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def with_base64_ids(value):
    """OTLP/JSON has hexadecimal ids, where the JSON form of protocol buffers has base64; all else is the same."""
    if isinstance(value, list):
        return [with_base64_ids(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: base64.b64encode(bytes.fromhex(part)).decode() if name in IDS else with_base64_ids(part)
        for name, part in value.items()
    }


class Traces(Suite):
    @classmethod
    def setUpClass(cls):
        collector = ThreadingHTTPServer((HOST, 0), Collector)
        threading.Thread(target=collector.serve_forever, daemon=True).start()
        cls.addClassCleanup(collector.server_close)
        cls.addClassCleanup(collector.shutdown)
        cls.app_settings = f'[telemetry]\nendpoint = "http://{HOST}:{collector.server_port}"\n'
        super().setUpClass()

    def test_an_export_is_what_the_protocol_defines(self):
        self.sdk.trigger(["a", "b"], "e", {"a": 1})
        path, kind, body = Collector.calls.get(timeout=DEADLINE)
        self.assertEqual((path, kind), ("/v1/traces", "application/json"))
        # Fails for a field that is not in the definition, or has another type there.
        request = json_format.ParseDict(with_base64_ids(json.loads(body)), ExportTraceServiceRequest())
        of_resource = request.resource_spans[0]
        names = {it.key: it.value.string_value for it in of_resource.resource.attributes}
        self.assertEqual(names["service.name"], "resound")
        spans = {span.name: span for span in of_resource.scope_spans[0].spans}
        self.assertEqual(set(spans), {"POST /apps/{app_id}/events", "deliver to shards"})
        trigger, delivery = spans["POST /apps/{app_id}/events"], spans["deliver to shards"]
        self.assertEqual((len(trigger.trace_id), len(trigger.span_id), trigger.parent_span_id), (16, 8, b""))
        self.assertEqual((delivery.trace_id, delivery.parent_span_id), (trigger.trace_id, trigger.span_id))
        values = {it.key: it.value for it in trigger.attributes}
        self.assertEqual(values["http.response.status_code"].int_value, 200)
        self.assertEqual(values["resound.channels"].int_value, 2)
        self.assertLessEqual(trigger.start_time_unix_nano, delivery.start_time_unix_nano)
        self.assertLessEqual(delivery.end_time_unix_nano, trigger.end_time_unix_nano)
