// Owns webhooks in Node: which events, when, with which fields; every call is one the stock SDK accepts.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { APP, connectPusher, errorsOf, roundTrip, sdk, signedIn, subscribed, webhooks, world } from '../harness.mjs';

const HOLD = 3000;
// How early a timer of another process may seem to fire: it counts from a time that it read before it had to wait for a core.
const SLACK = 1500;

describe('webhooks', { concurrency: true }, () => {
  const hooks = webhooks();
  const shared = world({ app: hooks.app });

  /** A test with an endpoint of its own: it receives the events of channels whose names end with the topic. */
  function about(topic, title, run) {
    const endpoint = hooks.endpoint({ channel_suffix: `-${topic}` });
    test(title, (t) => run(t, endpoint));
  }

  /** Joins and leaves a channel of the topic: everything that happened before is sent before its channel_vacated. */
  async function mark(t, topic) {
    const pusher = await connectPusher(t, shared, 'marker');
    await subscribed(pusher.subscribe(`marker-${topic}`));
    pusher.disconnect();
    return `marker-${topic}`;
  }

  /** Everything received up to the marker's leave, the marker left out, as `[name, channel]` or with what `pick` adds. */
  async function receivedBefore(endpoint, marker, pick = ({ name, channel }) => [name, channel]) {
    const items = await endpoint.received('channel_vacated', marker);
    return items.filter(({ channel }) => channel !== marker).map(pick);
  }

  const KINDS = ['a', 'private-a', 'presence-a', 'private-encrypted-a', 'cache-a'];
  about('occupied', 'channel_occupied is sent at once, for the first subscriber only, on every kind of channel', async (t, endpoint) => {
    const [ada, bob] = [await connectPusher(t, shared, '1'), await connectPusher(t, shared, '2')];
    for (const kind of KINDS) {
      const began = Date.now();
      const name = `${kind}-occupied`;
      await subscribed(ada.subscribe(name));
      await endpoint.received('channel_occupied', name);
      const call = endpoint.calls.items.find(({ events: [first] }) => first.name === 'channel_occupied' && first.channel === name);
      assert.deepEqual(call.events, [{ name: 'channel_occupied', channel: name }]);
      assert.ok(call.at - began < HOLD, 'at once');
      await subscribed(bob.subscribe(name));
      ada.unsubscribe(name);
    }
    await roundTrip(ada);
    const received = await receivedBefore(endpoint, await mark(t, 'occupied'));
    const names = received.filter(([name]) => name.startsWith('channel_'));
    assert.deepEqual(names, KINDS.map((kind) => ['channel_occupied', `${kind}-occupied`]));
  });

  about('vacated', 'channel_vacated is sent three seconds after the last one left, by unsubscribing or by going', async (t, endpoint) => {
    for (const leave of ['unsubscribe', 'disconnect']) {
      const name = `${leave}-vacated`;
      const [ada, bob] = [await connectPusher(t, shared, '1'), await connectPusher(t, shared, '2')];
      await subscribed(ada.subscribe(name));
      await subscribed(bob.subscribe(name));
      ada.disconnect();
      const left = Date.now();
      bob[leave](name);
      await endpoint.received('channel_vacated', name);
      const call = endpoint.calls.items.at(-1);
      assert.deepEqual(call.events, [{ name: 'channel_vacated', channel: name }]);
      assert.ok(call.at - left >= HOLD - SLACK, `after ${call.at - left} ms`);
    }
    const names = endpoint.events.items.map(({ name, channel }) => [name, channel]);
    const each = (channel) => [['channel_occupied', channel], ['channel_vacated', channel]];
    assert.deepEqual(names, [...each('unsubscribe-vacated'), ...each('disconnect-vacated')]);
  });

  about('return', 'who returns within three seconds causes no event, and leaving for good later does', async (t, endpoint) => {
    const pusher = await connectPusher(t, shared, '1');
    await subscribed(pusher.subscribe('presence-x-return'));
    await subscribed(pusher.subscribe('x-return'));
    for (const name of ['presence-x-return', 'x-return']) pusher.unsubscribe(name);
    await roundTrip(pusher);
    for (const name of ['presence-x-return', 'x-return']) await subscribed(pusher.subscribe(name));
    // As a page change does: the old connection goes, a new one of the same user comes.
    pusher.disconnect();
    const again = await connectPusher(t, shared, '1');
    for (const name of ['presence-x-return', 'x-return']) await subscribed(again.subscribe(name));
    const received = await receivedBefore(endpoint, await mark(t, 'return'));
    assert.deepEqual(received, [
      ['channel_occupied', 'presence-x-return'],
      ['member_added', 'presence-x-return'],
      ['channel_occupied', 'x-return'],
    ]);
    again.disconnect();
    await endpoint.received('member_removed', 'presence-x-return');
    await endpoint.received('channel_vacated', 'x-return');
  });

  about('member', 'member_added and member_removed tell each user once, with the id as a string', async (t, endpoint) => {
    const name = 'presence-room-member';
    const keeper = await connectPusher(t, shared, 'keeper');
    await subscribed(keeper.subscribe(name));
    const tabs = [await connectPusher(t, shared, 'ada'), await connectPusher(t, shared, 'ada')];
    for (const tab of tabs) await subscribed(tab.subscribe(name));
    const numeric = await connectPusher(t, shared, '7');
    numeric.send_event('pusher:subscribe', { channel: name, ...shared.pusher.authorizeChannel(numeric.connection.socket_id, name, { user_id: 7 }) });
    await roundTrip(numeric);
    const left = Date.now();
    tabs[0].unsubscribe(name);
    await roundTrip(tabs[0]);
    numeric.send_event('pusher:unsubscribe', { channel: name });
    await roundTrip(numeric);
    const received = await receivedBefore(endpoint, await mark(t, 'member'), ({ name: what, ...rest }) => [what, rest]);
    assert.deepEqual(received, [
      ['channel_occupied', { channel: name }],
      ['member_added', { channel: name, user_id: 'keeper' }],
      ['member_added', { channel: name, user_id: 'ada' }],
      ['member_added', { channel: name, user_id: '7' }],
      ['member_removed', { channel: name, user_id: '7' }],
    ]);
    const removal = endpoint.calls.items.find(({ events }) => events[0].name === 'member_removed');
    assert.ok(removal.at - left >= HOLD - SLACK, `after ${removal.at - left} ms`);
    tabs[1].disconnect();
    const items = await endpoint.events.until((all) => all.filter(({ name: what }) => what === 'member_removed').length === 2);
    assert.deepEqual(items.at(-1), { name: 'member_removed', channel: name, user_id: 'ada' });
  });

  about('whisper', 'client_event has event, channel, data as text and socket_id; user_id on presence channels only', async (t, endpoint) => {
    const pusher = await connectPusher(t, shared, 'ada');
    const errors = errorsOf(pusher);
    const data = { name: 'Zoë 🚚', empty: {}, list: [], n: 1.0 };
    for (const name of ['private-x-whisper', 'presence-x-whisper', 'public-x-whisper']) {
      const channel = await subscribed(pusher.subscribe(name));
      channel.trigger('client-typing', data);
    }
    // Refused ones: not a channel one is on, and the public one above.
    pusher.send_event('client-typing', data, 'private-other-whisper');
    pusher.send_event('client-plain', 'text', 'private-x-whisper');
    await errors.until(2);
    await endpoint.events.until((items) => items.some(({ event }) => event === 'client-plain'));
    const whispers = endpoint.events.items.filter(({ name }) => name === 'client_event');
    const { socket_id } = pusher.connection;
    const typing = { name: 'client_event', event: 'client-typing', data: JSON.stringify(data), socket_id };
    assert.deepEqual(whispers, [
      { ...typing, channel: 'private-x-whisper' },
      { ...typing, channel: 'presence-x-whisper', user_id: 'ada' },
      { name: 'client_event', event: 'client-plain', data: 'text', socket_id, channel: 'private-x-whisper' },
    ]);
  });

  about('miss', 'cache_miss is sent once for many subscribers, and not once the channel has an event', async (t, endpoint) => {
    const crowd = [];
    for (let n = 0; n < 5; n += 1) crowd.push(await connectPusher(t, shared, String(n)));
    const names = ['cache-a-miss', 'private-cache-a-miss', 'presence-cache-a-miss'];
    for (const name of names) await Promise.all(crowd.map((pusher) => subscribed(pusher.subscribe(name))));
    await shared.pusher.trigger('cache-filled-miss', 'e', 'x');
    await subscribed(crowd[0].subscribe('cache-filled-miss'));
    await subscribed(crowd[0].subscribe('plain-miss'));
    const received = await receivedBefore(endpoint, await mark(t, 'miss'));
    assert.deepEqual(received.filter(([name]) => name === 'cache_miss'), names.map((name) => ['cache_miss', name]));
    for (const name of names) {
      const order = received.filter(([what, channel]) => channel === name && !what.startsWith('member')).map(([what]) => what);
      assert.deepEqual(order, ['channel_occupied', 'cache_miss'], name);
    }
  });

  about('quiet', "a user's own channel causes no event", async (t, endpoint) => {
    const pusher = await signedIn(await connectPusher(t, shared, 'quiet'));
    assert.equal(pusher.user.serverToUserChannel.name, '#server-to-user-quiet');
    await shared.pusher.sendToUser('quiet', 'e', 1);
    pusher.disconnect();
    assert.deepEqual(await receivedBefore(endpoint, await mark(t, 'quiet')), []);
  });

  about('stock', 'the stock SDK accepts every call and reads it: one event each, and the time', async (t, endpoint) => {
    const began = Date.now();
    await endpoint.received('channel_occupied', await mark(t, 'stock'));
    await endpoint.received('channel_vacated', 'marker-stock');
    const stranger = sdk(shared.server, { secret: 'another-secret' });
    for (const { headers, rawBody } of endpoint.calls.items) {
      const webhook = hooks.verifier.webhook({ headers, rawBody });
      assert.equal(webhook.isValid(), true);
      assert.equal(webhook.getEvents().length, 1);
      const time = webhook.getTime().getTime();
      assert.ok(time >= began - SLACK && time <= Date.now() + SLACK, `time_ms is ${time}`);
      assert.deepEqual(Object.keys(JSON.parse(rawBody)).sort(), ['events', 'time_ms']);
      assert.equal(headers['content-type'], 'application/json');
      assert.equal(headers['x-pusher-key'], APP.key);
      assert.match(headers['x-pusher-signature'], /^[0-9a-f]{64}$/);
      assert.equal(stranger.webhook({ headers, rawBody }).isValid(), false);
      assert.equal(hooks.verifier.webhook({ headers, rawBody: `${rawBody} ` }).isValid(), false);
    }
  });
});

describe('webhooks of an app that counts subscriptions', () => {
  const hooks = webhooks({ subscription_count_events: true });
  const endpoint = hooks.endpoint({ events: ['subscription_count', 'channel_vacated'] });
  const shared = world({ app: hooks.app });

  test('subscription_count tells each change, not of presence channels', async (t) => {
    const [ada, bob] = [await connectPusher(t, shared, '1'), await connectPusher(t, shared, '2')];
    await subscribed(ada.subscribe('counted'));
    await subscribed(bob.subscribe('presence-counted'));
    await subscribed(bob.subscribe('counted'));
    bob.unsubscribe('counted');
    bob.unsubscribe('presence-counted');
    await endpoint.received('channel_vacated', 'presence-counted');
    const counts = endpoint.events.items.filter(({ name }) => name === 'subscription_count');
    assert.deepEqual(counts, [1, 2, 1].map((count) => ({ name: 'subscription_count', channel: 'counted', subscription_count: count })));
  });
});

describe('webhooks of an app with small presence channels', () => {
  const hooks = webhooks({ max_presence_members: 1 });
  const endpoint = hooks.endpoint();
  const shared = world({ app: hooks.app });

  test('a refused subscription causes no event, even on an empty channel', async (t) => {
    const [ada, bob] = [await connectPusher(t, shared, '1'), await connectPusher(t, shared, '2')];
    const name = 'presence-cache-full';
    await subscribed(ada.subscribe(name));
    await subscribed(ada.subscribe('clock'));
    ada.unsubscribe('clock');
    // Three seconds later another miss of the same channel would be news.
    await endpoint.received('channel_vacated', 'clock');
    await assert.rejects(subscribed(bob.subscribe(name)));
    await assert.rejects(subscribed(bob.subscribe('private-forged')));
    await subscribed(bob.subscribe('marker'));
    const items = await endpoint.received('channel_occupied', 'marker');
    const later = items.slice(items.findIndex(({ name: what }) => what === 'channel_vacated') + 1);
    assert.deepEqual(later, [{ name: 'channel_occupied', channel: 'marker' }]);
  });
});
