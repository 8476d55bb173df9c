// Owns cache channels of all four kinds in Node: later subscribers receive the last event, or a miss.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { APP, connectPusher, Inbox, roundTrip, sdk, subscribed, untilOccupied, world } from '../harness.mjs';

const OTHER = { id: '654321', key: 'other-key', secret: 'other-secret' };
const KINDS = ['cache-', 'private-cache-', 'presence-cache-', 'private-encrypted-cache-'];

describe('cache channels', () => {
  const shared = world({ apps: [APP, OTHER] });

  /** Subscribes a fresh client and stores what it receives of the channel from the start. */
  async function subscriber(t, name, user = '1') {
    const pusher = await connectPusher(t, shared, user);
    const received = new Inbox(name);
    const channel = pusher.subscribe(name);
    for (const event of ['first', 'last', 'marker']) channel.bind(event, (data) => received.put([event, data]));
    channel.bind('pusher:cache_miss', (data) => received.put(['miss', data]));
    await subscribed(channel);
    return { pusher, received, channel };
  }

  for (const kind of KINDS) {
    test(`${kind}: an empty channel tells a cache miss, then behaves like any other`, async (t) => {
      const name = `${kind}empty`;
      const { received } = await subscriber(t, name);
      await shared.pusher.trigger(name, 'marker', 'end');
      assert.deepEqual(await received.until(2), [['miss', {}], ['marker', 'end']]);
    });

    test(`${kind}: a new subscriber gets the last event, once, and present subscribers do not get it again`, async (t) => {
      const name = `${kind}last`;
      const early = await subscriber(t, name);
      await shared.pusher.trigger(name, 'first', { n: 1 });
      await shared.pusher.trigger(name, 'last', { n: 2, list: [], map: {} });
      const late = await subscriber(t, name, '2');
      await shared.pusher.trigger(name, 'marker', 'end');
      const last = ['last', { n: 2, list: [], map: {} }];
      assert.deepEqual(await late.received.until(2), [last, ['marker', 'end']]);
      assert.deepEqual(await early.received.until(4), [['miss', {}], ['first', { n: 1 }], last, ['marker', 'end']]);
    });

    test(`${kind}: an event published before the first subscription is kept`, async (t) => {
      const name = `${kind}before`;
      await shared.pusher.trigger(name, 'last', { n: 1 });
      const { received } = await subscriber(t, name);
      assert.deepEqual(await received.until(1), [['last', { n: 1 }]]);
    });

    test(`${kind}: the last event outlives the last subscriber`, async (t) => {
      const name = `${kind}vacated`;
      const first = await subscriber(t, name);
      await shared.pusher.trigger(name, 'last', { n: 1 });
      await first.received.until(2);
      first.pusher.disconnect();
      await untilOccupied(shared.pusher, name, false);
      const { received } = await subscriber(t, name);
      await shared.pusher.trigger(name, 'marker', 'end');
      assert.deepEqual(await received.until(2), [['last', { n: 1 }], ['marker', 'end']]);
    });
  }

  test('an event that excluded a socket is cached all the same', async (t) => {
    const sender = await subscriber(t, 'cache-others');
    const socket_id = sender.pusher.connection.socket_id;
    await shared.pusher.trigger('cache-others', 'last', { n: 1 }, { socket_id });
    const { received } = await subscriber(t, 'cache-others');
    assert.deepEqual(await received.until(1), [['last', { n: 1 }]]);
    await shared.pusher.trigger('cache-others', 'marker', 'end');
    assert.deepEqual(await sender.received.until(2), [['miss', {}], ['marker', 'end']]);
  });

  test('whispers and members coming and going are not cached', async (t) => {
    const name = 'presence-cache-quiet';
    const ada = await subscriber(t, name, '1');
    const bob = await subscriber(t, name, '2');
    ada.channel.trigger('client-first', { n: 1 });
    await roundTrip(ada.pusher);
    bob.pusher.disconnect();
    const eve = await subscriber(t, name, '3');
    await shared.pusher.trigger(name, 'marker', 'end');
    assert.deepEqual(await eve.received.until(2), [['miss', {}], ['marker', 'end']]);
  });

  test('the cache of another app is another cache', async (t) => {
    await sdk(shared.server, { appId: OTHER.id, ...OTHER }).trigger('cache-foreign', 'last', 'theirs');
    const { received } = await subscriber(t, 'cache-foreign');
    await shared.pusher.trigger('cache-foreign', 'marker', 'end');
    assert.deepEqual(await received.until(2), [['miss', {}], ['marker', 'end']]);
  });
});
