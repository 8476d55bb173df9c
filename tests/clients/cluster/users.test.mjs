// Owns signed-in users over several nodes: events to them, watchlists, terminating them; and that an answer is no promise too early.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { closes, connectPusher, Inbox, openPusher, roundTrip, sharedCluster, signedIn, state, subscribed, until } from '../harness.mjs';

describe('signed-in users over three nodes', () => {
  const shared = sharedCluster();

  async function signIn(t, at, user, watchlist) {
    shared.cluster.backend.watchlists.set(user, watchlist);
    const pusher = openPusher(t, shared.nodes[at], user);
    const arrived = new Inbox(`${user} on node ${at}`);
    pusher.user.bind_global((event, data) => event.startsWith('pusher:') || arrived.put([event, data]));
    for (const name of ['online', 'offline']) pusher.user.watchlist.bind(name, ({ user_ids: ids }) => arrived.put([name, ids]));
    await signedIn(pusher);
    return { pusher, arrived };
  }

  test('an event to a user, sent on each node, reaches all connections of that user once and no other', async (t) => {
    const ada = await Promise.all([0, 1, 2, 2].map((at) => signIn(t, at, 'ada')));
    const bob = await signIn(t, 1, 'bob');
    for (const [at, { pusher }] of shared.nodes.entries()) await pusher.sendToUser('ada', 'e', at);
    await shared.nodes[0].pusher.sendToUser('bob', 'e', 'end');
    for (const { arrived } of ada) assert.deepEqual(await arrived.until(3), [['e', 0], ['e', 1], ['e', 2]]);
    assert.deepEqual(await bob.arrived.until(1), [['e', 'end']]);
  });

  test('a user who signs in is reached from every node at once', async (t) => {
    for (let round = 0; round < 6; round += 1) {
      const { pusher, arrived } = await signIn(t, round % 3, 'eve');
      await shared.nodes[(round + 1) % 3].pusher.sendToUser('eve', 'e', round);
      assert.deepEqual(await arrived.until(1), [['e', round]]);
      pusher.disconnect();
    }
  });

  test('a watcher receives one online for a user who signs in on two other nodes, and one offline when both have left', async (t) => {
    const watcher = await signIn(t, 0, 'watcher', ['friend', 'stranger']);
    const received = () => watcher.arrived.items.map(([what, data]) => [what, data]);
    const mark = async (data) => {
      for (const { pusher } of shared.nodes) await pusher.sendToUser('watcher', 'marker', data);
      await watcher.arrived.until((items) => items.filter(([, one]) => one === data).length === shared.nodes.length);
    };
    // The own channel of a user exists on the nodes where the user is signed in: when it is gone, the directory has noticed.
    const rows = async () => Number(await shared.cluster.redis.ask('HGET', 'resound{123456:#server-to-user-friend}:nodes', 'total'));
    const second = await signIn(t, 1, 'friend');
    await mark('one');
    const third = await signIn(t, 2, 'friend');
    await mark('two');
    second.pusher.disconnect();
    await until(async () => (await rows()) === 1, 'the first one being gone');
    await mark('one left');
    third.pusher.disconnect();
    await watcher.arrived.until((items) => items.at(-1)[0] === 'offline');
    await mark('none');
    const without = received().filter(([what]) => what !== 'marker');
    assert.deepEqual(without, [['offline', ['friend', 'stranger']], ['online', ['friend']], ['offline', ['friend']]]);
    const order = received().map(([what, data]) => (what === 'marker' ? data : what));
    assert.ok(order.indexOf('online') < order.indexOf('one') && order.lastIndexOf('offline') > order.lastIndexOf('one left'), order.join());
  });

  test('right after signing in a watcher receives who is online on other nodes', async (t) => {
    await signIn(t, 1, 'present_1');
    await signIn(t, 2, 'present_2');
    const { arrived } = await signIn(t, 0, 'late', ['present_1', 'absent', 'present_2']);
    const items = await arrived.until(2);
    assert.deepEqual(items.map(([what, ids]) => [what, [...ids].sort()]), [['online', ['present_1', 'present_2']], ['offline', ['absent']]]);
  });

  test('a user is terminated by a node where the user is not, on all nodes, with 4009; others stay', async (t) => {
    const closed = closes(t);
    const gone = await Promise.all([0, 1].map((at) => signIn(t, at, 'thief')));
    const present = await connectPusher(t, shared.nodes[0], 'thief');
    await subscribed(present.subscribe('presence-room'));
    const other = await signIn(t, 1, 'honest');
    const answer = await shared.nodes[2].pusher.terminateUserConnections('thief');
    assert.equal(await answer.text(), '{}');
    for (const pusher of [...gone.map((one) => one.pusher), present]) await state(pusher, 'disconnected');
    assert.deepEqual(await closed.until(3), [4009, 4009, 4009]);
    await roundTrip(other.pusher);
    assert.equal(other.pusher.connection.state, 'connected');
    await shared.cluster.untilPresent('presence-room', []);
    await signIn(t, 1, 'thief');
  });
});

// Redis may stand still for so long before it counts as away.
const PATIENT = { timeout_ms: 4000, local_delivery_after_ms: 250 };
const STILL = 300;

describe('while Redis stands still for a moment', () => {
  const shared = sharedCluster({ nodes: 2, cluster: PATIENT });

  test('the channel of a user who signs in is answered once the other nodes can reach the user, and not before', async (t) => {
    const eve = await connectPusher(t, shared.nodes[0], 'eve');
    const arrived = new Inbox('eve');
    eve.user.bind('e', arrived.put);
    let answered = false;
    shared.cluster.redis.freeze();
    const done = signedIn(eve).then(() => (answered = true));
    await pause(STILL);
    const early = answered;
    shared.cluster.redis.thaw();
    await done;
    await shared.nodes[1].pusher.sendToUser('eve', 'e', 'first');
    assert.deepEqual(await arrived.until(1), ['first']);
    assert.equal(early, false, 'it was answered before the other nodes were notified');
  });

  for (const channel of ['still', 'private-still', 'presence-still', 'cache-still']) {
    test(`${channel} is answered once the other nodes can reach the subscriber, and not before`, async (t) => {
      const eve = await connectPusher(t, shared.nodes[0], 'eve');
      const arrived = new Inbox('eve');
      let answered = false;
      shared.cluster.redis.freeze();
      const subscription = eve.subscribe(channel).bind('e', arrived.put);
      const done = subscribed(subscription).then(() => (answered = true));
      await pause(STILL);
      const early = answered;
      shared.cluster.redis.thaw();
      await done;
      await shared.nodes[1].pusher.trigger(channel, 'e', 'first');
      assert.deepEqual(await arrived.until(1), ['first']);
      assert.equal(early, false, 'it was answered before the other nodes were notified');
    });
  }
});
