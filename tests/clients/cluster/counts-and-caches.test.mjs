// Owns subscription counts, cache channels and the bound of connections over several nodes.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { closes, connectPusher, errorsOf, Inbox, mark, openPusher, sharedCluster, state, subscribed, until } from '../harness.mjs';

describe('subscription_count events over three nodes', () => {
  const shared = sharedCluster({ app: { subscription_count_events: true } });

  async function counted(t, at, channel) {
    const pusher = await connectPusher(t, shared.nodes[at], 'ada');
    const counts = new Inbox(`counts on node ${at}`);
    const subscription = pusher.subscribe(channel);
    subscription.bind('pusher:subscription_count', (data) => counts.put(data.subscription_count));
    subscription.bind('marker', (number) => counts.put(['marker', number]));
    await subscribed(subscription);
    return { pusher, counts };
  }

  test('every subscriber of every node receives each count, that of all nodes', async (t) => {
    const channel = 'private-counted';
    const all = [];
    for (const at of [0, 1, 2, 0]) {
      all.push(await counted(t, at, channel));
      await Promise.all(all.map(({ counts }) => counts.until((items) => items.at(-1) === all.length)));
    }
    all[3].pusher.disconnect();
    all.pop();
    await Promise.all(all.map(({ counts }) => counts.until((items) => items.at(-1) === 3)));
    assert.deepEqual(all.map(({ counts }) => counts.items), [[1, 2, 3, 4, 3], [2, 3, 4, 3], [3, 4, 3]]);
  });

  test('presence channels have none', async (t) => {
    const first = await counted(t, 0, 'presence-counted');
    await counted(t, 1, 'presence-counted');
    assert.deepEqual(await mark(shared.nodes[2], 'presence-counted', [first.counts]), [[]]);
  });
});

describe('cache channels over three nodes', () => {
  const shared = sharedCluster();

  async function newSubscriber(t, at, channel) {
    const pusher = await connectPusher(t, shared.nodes[at], `u${at}`);
    const received = new Inbox(`${channel} on node ${at}`);
    const subscription = pusher.subscribe(channel);
    subscription.bind_global((event, data) => /^pusher:(?!cache_miss)/.test(event) || received.put([event, data]));
    await subscribed(subscription);
    return { pusher, received };
  }

  for (const channel of ['cache-late', 'private-cache-late', 'presence-cache-late', 'private-encrypted-cache-late']) {
    test(`${channel}: where nothing is cached a cache_miss, afterwards the last event, whatever the node`, async (t) => {
      const [miss] = await (await newSubscriber(t, 0, channel)).received.until(1);
      assert.equal(miss[0], 'pusher:cache_miss');
      await shared.nodes[1].pusher.trigger(channel, 'e', 'first');
      await shared.nodes[2].pusher.trigger(channel, 'e', 'last');
      for (const at of [0, 1, 2]) {
        const { received } = await newSubscriber(t, at, channel);
        assert.deepEqual(await received.until(1), [['e', 'last']]);
      }
    });
  }

  test('an event without subscribers is cached for the next subscriber on another node', async (t) => {
    await shared.nodes[2].pusher.trigger('cache-nobody', 'e', 'kept');
    const { received, pusher } = await newSubscriber(t, 0, 'cache-nobody');
    assert.deepEqual(await received.until(1), [['e', 'kept']]);
    pusher.disconnect();
    await shared.cluster.untilAllReport('cache-nobody', undefined, { occupied: false });
    assert.deepEqual(await (await newSubscriber(t, 1, 'cache-nobody')).received.until(1), [['e', 'kept']]);
  });

  test('a new subscriber while events are flowing receives an event before those that follow it, with none missing and none twice', async (t) => {
    const channel = 'private-cache-flow';
    await newSubscriber(t, 0, channel);
    let number = 0;
    let flowing = true;
    const flow = (async () => {
      while (flowing) await shared.nodes[number % 3].pusher.trigger(channel, 'e', (number += 1));
    })();
    const newSubscribers = [];
    for (let round = 0; round < 12; round += 1) newSubscribers.push(await newSubscriber(t, round % 3, channel));
    flowing = false;
    await flow;
    const received = await mark(shared.nodes[0], channel, newSubscribers.map((one) => one.received));
    for (const items of received) {
      assert.notEqual(items[0][0], 'pusher:cache_miss');
      const numbers = items.map(([, data]) => data);
      assert.deepEqual(numbers, Array.from(numbers, (_, at) => numbers[0] + at));
      assert.equal(numbers.at(-1), number);
    }
  });
});

describe('max_connections over three nodes', () => {
  const shared = sharedCluster({ app: { max_connections: 4 } });

  test('of clients over all nodes the fifth is refused with 4100 on whatever node, and comes in when one leaves', async (t) => {
    const closed = closes(t);
    const inside = [];
    for (const at of [0, 1, 2, 0]) inside.push(await connectPusher(t, shared.nodes[at]));
    for (const at of [0, 1, 2]) {
      const fifth = openPusher(t, shared.nodes[at]);
      const errors = errorsOf(fifth);
      await errors.until((items) => items.some(({ code }) => code === 4100));
      assert.notEqual(fifth.connection.state, 'connected');
      fifth.disconnect();
    }
    assert.ok(inside.every((pusher) => pusher.connection.state === 'connected'));
    const fifth = openPusher(t, shared.nodes[1]);
    const errors = errorsOf(fifth);
    await errors.until((items) => items.some(({ code }) => code === 4100));
    inside[2].disconnect();
    await state(fifth, 'connected');
    assert.ok(closed.items.includes(4100), JSON.stringify(closed.items));
  });

  test('of twelve that connect at the same time over all nodes exactly four are accepted, and the permits of a killed node are returned', async (t) => {
    const counted = async () => (await (await shared.nodes[0].pusher.get({ path: '/connections' })).json()).connections;
    await until(async () => (await counted()) === 0, 'the connections of the test before being gone');
    const clients = Array.from({ length: 12 }, (_, n) => openPusher(t, shared.nodes[n % 3]));
    const outcomes = await Promise.all(clients.map(async (pusher) => {
      const refused = errorsOf(pusher).until((items) => items.some(({ code }) => code === 4100)).then(() => 'refused');
      const outcome = await Promise.race([refused, state(pusher, 'connected').then(() => 'in')]);
      if (outcome === 'refused') pusher.disconnect();
      return outcome;
    }));
    assert.equal(outcomes.filter((outcome) => outcome === 'in').length, 4, JSON.stringify(outcomes));
    const [killed, other] = [shared.nodes[0], shared.nodes[1]];
    const lost = outcomes.filter((outcome, n) => outcome === 'in' && n % 3 === 0).length;
    await killed.server.kill();
    clients.filter((_, n) => n % 3 === 0).forEach((pusher) => pusher.disconnect());
    const newSubscribers = Array.from({ length: lost }, () => openPusher(t, other));
    await Promise.all(newSubscribers.map((pusher) => state(pusher, 'connected')));
    const fifth = openPusher(t, shared.nodes[2]);
    await errorsOf(fifth).until((items) => items.some(({ code }) => code === 4100));
  });
});
