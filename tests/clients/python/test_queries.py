# Owns the read side of the HTTP API with the PyPI `pusher` SDK. It signs the MD5 of an empty body into every GET.

from pusher.errors import PusherBadRequest

from harness import Suite


class ChannelsInfo(Suite):
    def test_nothing_occupied_is_an_empty_object(self):
        self.assertEqual(self.sdk.channels_info(prefix_filter="nothing-"), {"channels": {}})

    def test_lists_occupied_channels_with_what_was_asked_for(self):
        self.listener("list-a", "presence-list-b", user="1")
        self.listener("presence-list-b", user="1")
        self.listener("presence-list-b", user="2")
        self.assertEqual(self.sdk.channels_info(prefix_filter="list-"), {"channels": {"list-a": {}}})
        answer = self.sdk.channels_info(prefix_filter="presence-list-", attributes=["user_count"])
        self.assertEqual(answer, {"channels": {"presence-list-b": {"user_count": 2}}})

    def test_without_any_parameter(self):
        self.listener("bare")
        self.assertEqual(self.sdk.channels_info()["channels"].get("bare"), {})

    def test_user_count_without_a_presence_prefix_is_a_bad_request(self):
        with self.assertRaises(PusherBadRequest):
            self.sdk.channels_info(attributes=["user_count"])


class ChannelInfo(Suite):
    def test_occupied_or_not(self):
        self.assertEqual(self.sdk.channel_info("single"), {"occupied": False})
        self.listener("single")
        self.assertEqual(self.sdk.channel_info("single"), {"occupied": True})

    def test_counts(self):
        self.listener("presence-counts", user="1")
        self.listener("presence-counts", user="1")
        answer = self.sdk.channel_info("presence-counts", ["user_count", "subscription_count"])
        self.assertEqual(answer, {"occupied": True, "user_count": 1, "subscription_count": 2})

    def test_an_unknown_attribute_is_a_bad_request(self):
        with self.assertRaisesRegex(PusherBadRequest, "info should be a comma separated list of attributes"):
            self.sdk.channel_info("single", ["weather"])


class UsersInfo(Suite):
    def test_each_user_once_with_string_ids(self):
        for user in ["1", "2", "2"]:
            self.listener("presence-users", user=user)
        users = self.sdk.users_info("presence-users")["users"]
        self.assertEqual(sorted(user["id"] for user in users), ["1", "2"])

    def test_an_unoccupied_presence_channel_has_none(self):
        self.assertEqual(self.sdk.users_info("presence-nobody"), {"users": []})

    def test_other_kinds_are_a_bad_request(self):
        for name in ["nobody", "private-nobody"]:
            with self.assertRaises(PusherBadRequest):
                self.sdk.users_info(name)
