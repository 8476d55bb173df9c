// Owns events over several nodes: whatever node one is triggered on, every subscriber of every node receives it once, in one order.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { connectPusher, Inbox, mark, sharedCluster, subscribed } from '../harness.mjs';

const ORDERED = 300;

describe('events over three nodes', () => {
  const shared = sharedCluster();

  /** Two clients per node, each on `channel`; what they receive goes to an inbox each, as [event, data]. */
  async function listeners(t, channel, perNode = 2) {
    const worlds = shared.nodes.flatMap((node) => Array(perNode).fill(node));
    return Promise.all(worlds.map((node, at) => listener(t, node, `u${at}`, channel)));
  }

  async function listener(t, node, user, channel) {
    const pusher = await connectPusher(t, node, user);
    const arrived = new Inbox(`${user} on ${channel}`);
    const subscription = await subscribed(pusher.subscribe(channel));
    subscription.bind_global((event, data) => event.startsWith('pusher:') || arrived.put([event, data]));
    return { pusher, node, user, arrived, subscription };
  }

  /** What each of `all` has received, once everything published so far on whatever node has arrived. */
  async function settle(channel, all) {
    let arrived;
    for (const node of shared.nodes) arrived = await mark(node, channel, all.map((one) => one.arrived));
    return arrived;
  }

  for (const channel of ['news', 'private-news', 'presence-news', 'private-encrypted-news']) {
    test(`an event of each node reaches all subscribers of ${channel} on all nodes exactly once`, async (t) => {
      const all = await listeners(t, channel);
      for (const [at, { pusher }] of shared.nodes.entries()) await pusher.trigger(channel, 'e', { at, text: 'Zoë 🎉' });
      const wanted = shared.nodes.map((_, at) => ['e', { at, text: 'Zoë 🎉' }]);
      for (const arrived of await settle(channel, all)) assert.deepEqual(arrived, wanted);
    });
  }

  test('the excluded socket does not receive the event, on any node and from any node', async (t) => {
    const all = await listeners(t, 'private-except');
    const wanted = all.map(() => []);
    for (const [from, { pusher }] of shared.nodes.entries()) {
      for (const [at, { pusher: client }] of all.entries()) {
        await pusher.trigger('private-except', 'e', [from, at], { socket_id: client.connection.socket_id });
        wanted.forEach((list, other) => other !== at && list.push(['e', [from, at]]));
      }
    }
    assert.deepEqual(await settle('private-except', all), wanted);
  });

  test('a whisper reaches the others on all nodes once, and not its sender', async (t) => {
    const all = await listeners(t, 'private-whisper');
    const wanted = all.map(() => []);
    for (const [at, { subscription }] of all.entries()) {
      assert.ok(subscription.trigger('client-typing', { at }));
      wanted.forEach((list, other) => other !== at && list.push(['client-typing', { at }]));
      const received = (items) => items.some(([event, data]) => event === 'client-typing' && data.at === at);
      await Promise.all(all.map(({ arrived }, other) => other !== at && arrived.until(received)));
    }
    assert.deepEqual(await settle('private-whisper', all), wanted);
  });

  test('a whisper on a presence channel carries the user_id to every node', async (t) => {
    const all = await listeners(t, 'presence-whisper', 1);
    const received = new Inbox('metadata');
    for (const { subscription } of all) subscription.bind('client-typing', (data, metadata) => received.put([data, metadata]));
    all[0].subscription.trigger('client-typing', 'x');
    await received.until(2);
    const [sender, ...others] = await settle('presence-whisper', all);
    assert.deepEqual(sender, []);
    for (const arrived of others) assert.deepEqual(arrived, [['client-typing', 'x']]);
    assert.deepEqual(received.items, Array(2).fill(['x', { user_id: 'u0' }]));
  });

  test('a batch reaches the subscribers of each of its channels, in its order', async (t) => {
    const [one, two] = [await listeners(t, 'batch-1', 1), await listeners(t, 'private-batch-2', 1)];
    for (const { pusher } of shared.nodes) {
      await pusher.triggerBatch([
        { channel: 'batch-1', name: 'e', data: 1 },
        { channel: 'private-batch-2', name: 'e', data: 2 },
        { channel: 'batch-1', name: 'f', data: 3, socket_id: one[0].pusher.connection.socket_id },
        { channel: 'batch-1', name: 'g', data: 4 },
      ]);
    }
    const times = (list) => shared.nodes.flatMap(() => list);
    const [first, ...others] = await settle('batch-1', one);
    assert.deepEqual(first, times([['e', 1], ['g', 4]]));
    for (const arrived of others) assert.deepEqual(arrived, times([['e', 1], ['f', 3], ['g', 4]]));
    for (const arrived of await settle('private-batch-2', two)) assert.deepEqual(arrived, times([['e', 2]]));
  });

  test('one event on many channels reaches each of them', async (t) => {
    const channels = Array.from({ length: 20 }, (_, at) => `private-many-${at}`);
    const clients = await Promise.all(shared.nodes.map((node) => connectPusher(t, node, 'ada')));
    const arrived = new Inbox('many');
    for (const pusher of clients) {
      for (const channel of channels) (await subscribed(pusher.subscribe(channel))).bind('e', () => arrived.put(channel));
    }
    await shared.nodes[1].pusher.trigger(channels, 'e', {});
    await arrived.until(channels.length * clients.length);
    assert.deepEqual([...arrived.items].sort(), channels.flatMap((channel) => clients.map(() => channel)).sort());
  });

  test(`${ORDERED} events, one after the other to the nodes in turn, reach every subscriber in this order`, async (t) => {
    const all = await listeners(t, 'private-order');
    for (let n = 0; n < ORDERED; n += 1) await shared.nodes[n % shared.nodes.length].pusher.trigger('private-order', 'e', n);
    const wanted = Array.from({ length: ORDERED }, (_, n) => ['e', n]);
    for (const arrived of await settle('private-order', all)) assert.deepEqual(arrived, wanted);
  });

  test('events that all nodes publish at the same time reach every subscriber in one order', async (t) => {
    const all = await listeners(t, 'private-crowd');
    const burst = ({ pusher }, from) => Promise.all(Array.from({ length: 50 }, (_, n) => pusher.trigger('private-crowd', 'e', [from, n])));
    await Promise.all(shared.nodes.map(burst));
    const [first, ...others] = await settle('private-crowd', all);
    assert.equal(new Set(first.map(String)).size, 150);
    assert.equal(first.length, 150);
    for (const arrived of others) assert.deepEqual(arrived, first);
  });

  test('a channel left by the last one and joined again on another node goes on', async (t) => {
    for (let round = 0; round < 6; round += 1) {
      const [here, there] = [shared.nodes[round % 3], shared.nodes[(round + 1) % 3]];
      const { pusher, arrived } = await listener(t, here, 'ada', 'private-wandering');
      await there.pusher.trigger('private-wandering', 'e', round);
      assert.deepEqual(await arrived.until(1), [['e', round]]);
      pusher.disconnect();
    }
  });
});
