// Owns subscription counts in Node: sent to all subscribers of a channel at each change, if the app has them switched on.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { connectPusher, Inbox, subscribed, tap, untilSubscriptions, world } from '../harness.mjs';

const CROWD = 110;
const AT_ONCE = 100;

/** Subscribes and notes counts and the marker, in order. */
async function counting(pusher, name) {
  const received = new Inbox(name);
  const channel = pusher.subscribe(name);
  channel.bind('pusher:subscription_count', ({ subscription_count: count }) => received.put(count));
  channel.bind('marker', received.put);
  await subscribed(channel);
  return { channel, received };
}

describe('subscription counts', () => {
  const shared = world({ app: { subscription_count_events: true } });

  for (const name of ['count', 'private-count', 'cache-count', 'private-cache-count']) {
    test(`${name}: each subscribe and unsubscribe sends the count to every subscriber`, async (t) => {
      const [ada, bob] = [await connectPusher(t, shared, '1'), await connectPusher(t, shared, '2')];
      const { channel, received } = await counting(ada, name);
      assert.deepEqual(await received.until(1), [1]);
      assert.equal(channel.subscriptionCount, 1);
      const other = await counting(bob, name);
      assert.deepEqual(await received.until(2), [1, 2]);
      assert.deepEqual(await other.received.until(1), [2]);
      assert.deepEqual([channel.subscriptionCount, other.channel.subscriptionCount], [2, 2]);
      bob.unsubscribe(name);
      assert.deepEqual(await received.until(3), [1, 2, 1]);
      assert.equal(channel.subscriptionCount, 1);
    });
  }

  test('a connection that goes away is counted out of every channel it was on', async (t) => {
    const [ada, bob] = [await connectPusher(t, shared, '1'), await connectPusher(t, shared, '2')];
    const names = ['gone-a', 'private-gone-b'];
    const counts = [];
    for (const name of names) {
      counts.push((await counting(ada, name)).received);
      await counting(bob, name);
    }
    bob.disconnect();
    for (const received of counts) assert.deepEqual(await received.until(3), [1, 2, 1]);
  });

  test('subscribing twice is counted once', async (t) => {
    const pusher = await connectPusher(t, shared, '1');
    const { received } = await counting(pusher, 'twice');
    pusher.send_event('pusher:subscribe', { channel: 'twice' });
    const other = await connectPusher(t, shared, '2');
    await counting(other, 'twice');
    assert.deepEqual((await received.until(2)).filter((count) => count > 1), [2]);
  });

  test('on the wire it follows the success, and its data is a string', async (t) => {
    const frames = tap(t);
    const pusher = await connectPusher(t, shared, '1');
    await counting(pusher, 'wire');
    const events = (items) => items.map((text) => JSON.parse(text)).filter(({ channel }) => channel === 'wire');
    await frames.until((items) => events(items).length === 2);
    assert.deepEqual(events(frames.items), [
      { event: 'pusher_internal:subscription_succeeded', channel: 'wire', data: '{}' },
      { event: 'pusher_internal:subscription_count', channel: 'wire', data: '{"subscription_count":1}' },
    ]);
  });

  test('presence channels have members instead', async (t) => {
    const frames = tap(t);
    const [ada, bob] = [await connectPusher(t, shared, '1'), await connectPusher(t, shared, '2')];
    const { received } = await counting(ada, 'presence-count');
    await counting(bob, 'presence-count');
    await shared.pusher.trigger('presence-count', 'marker', 'end');
    assert.deepEqual(await received.until(1), ['end']);
    assert.ok(!frames.items.some((text) => text.includes('subscription_count')));
  });

  test('above a hundred not every count is sent, but the last one is', async (t) => {
    const pushers = await Promise.all(Array.from({ length: CROWD }, () => connectPusher(t, shared, '1')));
    const [first, ...others] = pushers;
    const { received } = await counting(first, 'crowd');
    await Promise.all(others.map((pusher) => subscribed(pusher.subscribe('crowd'))));
    await untilSubscriptions(shared.pusher, 'crowd', CROWD);
    const counts = await received.until((items) => items.at(-1) === CROWD);
    assert.deepEqual(counts.slice(0, AT_ONCE), Array.from({ length: AT_ONCE }, (_, n) => n + 1));
    assert.ok(counts.length < CROWD, `received ${counts.length} times`);
  });
});

describe('subscription counts by default', () => {
  const shared = world();

  test('are not sent', async (t) => {
    const frames = tap(t);
    const [ada, bob] = [await connectPusher(t, shared, '1'), await connectPusher(t, shared, '2')];
    const { received, channel } = await counting(ada, 'silent');
    await counting(bob, 'silent');
    await shared.pusher.trigger('silent', 'marker', 'end');
    assert.deepEqual(await received.until(1), ['end']);
    assert.ok(!channel.subscriptionCount);
    assert.ok(!frames.items.some((text) => text.includes('subscription_count')));
  });
});
