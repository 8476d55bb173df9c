# Owns publishing with the PyPI `pusher` SDK: trigger and trigger_batch, what they answer and what a stock client receives.

from harness import Suite


class Trigger(Suite):
    def test_answers_an_empty_object(self):
        self.assertEqual(self.sdk.trigger("nobody", "e", {"a": 1}), {})
        self.assertEqual(self.sdk.trigger(["nobody", "private-nobody"], "e", {"a": 1}), {})

    def test_reaches_public_private_and_presence_subscribers(self):
        names = ["news", "private-news", "presence-news"]
        listener = self.listener(*names, user="1")
        for name in names:
            self.sdk.trigger(name, "App\\Events\\Posted", {"channel": name})
            self.assertEqual(listener.event(), (name, "App\\Events\\Posted", {"channel": name}))

    def test_data_arrives_equal(self):
        listener = self.listener("data")
        payloads = [{"text": "Zoë 注文 🚚"}, {}, [], {"list": [], "map": {}}, [1, 2.5, None, True], "plain text", {"huge": 1e20}]
        for payload in payloads:
            self.sdk.trigger("data", "e", payload)
            self.assertEqual(listener.event(), ("data", "e", payload))

    def test_several_channels_get_one_event_each(self):
        listener = self.listener("many-a", "many-b")
        self.sdk.trigger(["many-a", "many-b"], "e", 1)
        self.sdk.trigger("many-a", "marker", 2)
        received = sorted(listener.event() for _ in range(2))
        self.assertEqual(received, [("many-a", "e", 1), ("many-b", "e", 1)])
        self.assertEqual(listener.event(), ("many-a", "marker", 2))

    def test_socket_id_keeps_the_event_from_that_socket(self):
        sender, other = self.listener("except"), self.listener("except")
        self.sdk.trigger("except", "e", "others", sender.socket_id)
        self.sdk.trigger("except", "e", "all")
        self.assertEqual([other.event(), other.event()], [("except", "e", "others"), ("except", "e", "all")])
        self.assertEqual(sender.event(), ("except", "e", "all"))


class TriggerBatch(Suite):
    def test_answers_an_empty_object_and_delivers_in_order(self):
        listener = self.listener("batch-a", "private-batch-b")
        events = [
            {"channel": "batch-a", "name": "e", "data": {"n": 1}},
            {"channel": "private-batch-b", "name": "e", "data": {"n": 2}},
            {"channel": "batch-a", "name": "f", "data": "text"},
        ]
        self.assertEqual(self.sdk.trigger_batch([dict(event) for event in events]), {})
        for event in events:
            self.assertEqual(listener.event(), (event["channel"], event["name"], event["data"]))

    def test_socket_id_of_an_item_keeps_that_item(self):
        listener = self.listener("item")
        self.sdk.trigger_batch([
            {"channel": "item", "name": "e", "data": "others", "socket_id": listener.socket_id},
            {"channel": "item", "name": "e", "data": "all"},
        ])
        self.assertEqual(listener.event(), ("item", "e", "all"))
