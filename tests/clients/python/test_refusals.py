# Owns what the HTTP API refuses, as the PyPI `pusher` SDK reports it, and the termination of a user's connections.

from pusher.errors import PusherBadAuth, PusherBadRequest, PusherBadStatus
from pusher.http import POST, Request

from harness import APP_ID, Suite


class Refusals(Suite):
    def test_a_wrong_secret_is_bad_auth_with_a_text(self):
        stranger = self.client(secret="wrong")
        calls = [
            lambda: stranger.trigger("c", "e", "x"),
            lambda: stranger.trigger_batch([{"channel": "c", "name": "e", "data": "x"}]),
            stranger.channels_info,
            lambda: stranger.channel_info("c"),
            lambda: stranger.users_info("presence-c"),
        ]
        for call in calls:
            with self.assertRaisesRegex(PusherBadAuth, r"\S"):
                call()

    def test_an_unknown_key_is_bad_auth(self):
        with self.assertRaises(PusherBadAuth):
            self.client(key="no-such-key").trigger("c", "e", "x")

    def test_an_unknown_app_is_404_with_a_text(self):
        with self.assertRaisesRegex(PusherBadStatus, r"^404: \S"):
            self.client(app_id="999").trigger("c", "e", "x")

    def test_data_above_the_limit_is_413(self):
        with self.assertRaisesRegex(PusherBadStatus, "^413: "):
            self.sdk.trigger("c", "e", "x" * 10_241)

    def test_too_many_events_in_a_batch_are_a_bad_request(self):
        batch = [{"channel": "c", "name": "e", "data": "x"} for _ in range(11)]
        with self.assertRaisesRegex(PusherBadRequest, "Batch too large"):
            self.sdk.trigger_batch(batch)

    def test_a_name_only_the_server_may_use_is_a_bad_request(self):
        with self.assertRaises(PusherBadRequest):
            self.sdk.trigger("c", "pusher:error", "x")


class TerminateUserConnections(Suite):
    def terminate(self, user):
        # The SDK's own terminate_user_connections (3.3.4) leaves "/apps/{id}" out of the path: no server can serve it.
        # Everything but the path is the SDK's: signing, sending, reading the answer.
        path = f"/apps/{APP_ID}/users/{user}/terminate_connections"
        return self.sdk._pusher_client.http.send_request(Request(self.sdk._pusher_client, POST, path, {}))

    def test_ends_every_connection_of_the_user_with_4009_and_no_other(self):
        tabs = [self.listener("presence-room", user="7") for _ in range(2)]
        other = self.listener("presence-room", user="8")
        self.assertEqual(self.terminate("7"), {})
        for tab in tabs:
            self.assertEqual(set(tab.next("disconnected")["disconnected"]), {4009})
        self.sdk.trigger("presence-room", "e", "still here")
        self.assertEqual(other.event(), ("presence-room", "e", "still here"))

    def test_a_user_without_a_connection_is_no_error(self):
        self.assertEqual(self.terminate("nobody"), {})

    def test_the_call_with_the_path_the_sdk_makes_is_refused_as_a_status(self):
        with self.assertRaisesRegex(PusherBadStatus, r"^404: \S"):
            self.sdk.terminate_user_connections("7")
