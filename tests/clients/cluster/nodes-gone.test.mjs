// Owns nodes that go away: killed, stopped, restarted one after the other. The others report it once, and clients come back.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { connectPusher, Inbox, ledger, mark, ownCluster, present, state, statesOf, subscribed } from '../harness.mjs';

const LEASE = 5000;
// pusher-js tries again after a second, and after fifteen where it was refused.
const COMEBACK = 35_000;

describe('nodes that go away', { concurrency: true }, () => {
  /** A client with its ledger of `channel`. */
  async function member(t, node, user, channel) {
    const pusher = await connectPusher(t, node, user);
    return { pusher, user, node, book: await present(pusher, channel) };
  }

  test('killed: within the lease the others receive that its users left, once; counts are right; started again, its clients are back', async (t) => {
    const cluster = await ownCluster(t);
    const channel = 'presence-killed';
    const [killed, ...others] = cluster.nodes;
    const gone = await Promise.all(['ada', 'bob', 'both'].map((user) => member(t, killed, user, channel)));
    const stay = await Promise.all(others.flatMap((node) => ['eve', 'both'].map((user) => member(t, node, user, channel))));
    await cluster.untilPresent(channel, ['ada', 'bob', 'both', 'eve']);
    await mark(others[0], channel, stay.map(({ book }) => book.received));
    const came = stay.map(({ book }) => book.received.items.length);

    const began = Date.now();
    await killed.server.kill();
    await Promise.all(stay.map(({ book }) => book.received.until(() => book.present.size === 2, LEASE + 10_000)));
    const took = Date.now() - began;
    t.diagnostic(`the others received it after ${took} ms`);
    assert.ok(took <= 2 * LEASE, `${took} ms`);
    await cluster.untilPresent(channel, ['both', 'eve']);
    await cluster.untilAllReport(channel, 'user_count,subscription_count', { user_count: 2, subscription_count: 4 });

    const back = gone.map(({ pusher }) => state(pusher, 'connected', COMEBACK));
    await killed.server.start();
    await Promise.all(back);
    await cluster.untilPresent(channel, ['ada', 'bob', 'both', 'eve']);
    await cluster.untilAllReport(channel, 'user_count,subscription_count', { user_count: 4, subscription_count: 7 });
    const received = await mark(killed, channel, stay.map(({ book }) => book.received));
    for (const [at, items] of received.entries()) {
      assert.deepEqual(items.slice(came[at] - 1).sort(), [
        ['member_added', 'ada'],
        ['member_added', 'bob'],
        ['member_removed', 'ada'],
        ['member_removed', 'bob'],
      ]);
    }
    for (const { pusher, book } of [...gone, ...stay]) {
      assert.deepEqual([[...book.present].sort(), book.faults], [['ada', 'bob', 'both', 'eve'], []]);
      assert.equal(pusher.channel(channel).members.count, 4);
    }
    await cluster.untilJoined(3);
  });

  test('killed and started again within the lease: its users come back, and no other client receives a false change', async (t) => {
    const cluster = await ownCluster(t);
    const channel = 'presence-blink';
    const [killed, other] = cluster.nodes;
    const ada = await member(t, killed, 'ada', channel);
    const eve = await member(t, other, 'eve', channel);
    const back = statesOf(ada.pusher);
    await killed.server.kill();
    await killed.server.start();
    await back.until((names) => names.includes('connected'), COMEBACK);
    await subscribed(ada.pusher.channel(channel));
    // The dead node's row of the same user goes with its lease, without a word.
    await cluster.untilAllReport(channel, 'user_count,subscription_count', { user_count: 2, subscription_count: 2 }, LEASE + 10_000);
    const [items] = await mark(killed, channel, [eve.book.received]);
    assert.deepEqual(items.slice(1).filter(([, user]) => user !== 'ada'), []);
    assert.deepEqual([[...eve.book.present].sort(), eve.book.faults], [['ada', 'eve'], []]);
    await cluster.untilPresent(channel, ['ada', 'eve']);
  });

  test('the last node that had a channel is killed: it is vacated, and the next to come starts anew', async (t) => {
    const cluster = await ownCluster(t, { nodes: 2 });
    const [killed, other] = cluster.nodes;
    await member(t, killed, 'ada', 'presence-last');
    await killed.server.kill();
    await cluster.untilPresent('presence-last', [], LEASE + 10_000);
    await cluster.untilAllReport('presence-last', 'user_count,subscription_count', { occupied: false });
    const eve = await member(t, other, 'eve', 'presence-last');
    assert.deepEqual([...eve.book.present], ['eve']);
    const { channels } = await (await other.pusher.get({ path: '/channels', params: { info: 'subscription_count' } })).json();
    assert.deepEqual(channels, { 'presence-last': { subscription_count: 1 } });
  });

  test('after SIGTERM: the others receive that its users left at once, it exits 0, and clients that come back through the proxy are announced once', async (t) => {
    const cluster = await ownCluster(t);
    const channel = 'presence-asked';
    const [ended, other] = cluster.nodes;
    const direct = await member(t, ended, 'ada', channel);
    const eve = await member(t, other, 'eve', channel);
    const began = Date.now();
    const stopping = ended.server.stop();
    await eve.book.received.until((items) => items.some(([event]) => event === 'member_removed'));
    t.diagnostic(`received ${Date.now() - began} ms after SIGTERM`);
    assert.ok(Date.now() - began < LEASE - 500);
    assert.deepEqual(await stopping, { code: 0, signal: null });
    direct.pusher.disconnect();
    await cluster.untilPresent(channel, ['eve']);
    await cluster.untilAllReport(channel, 'user_count,subscription_count', { user_count: 1, subscription_count: 1 });
    await cluster.untilJoined(2);
    await member(t, cluster.running[1], 'ada', channel);
    const [items] = await mark(other, channel, [eve.book.received]);
    assert.deepEqual(items.slice(1), [['member_removed', 'ada'], ['member_added', 'ada']]);
    assert.deepEqual(eve.book.faults, []);
  });

  test('every event that a node answered before it ended has reached the clients of the others', async (t) => {
    const cluster = await ownCluster(t);
    const arrived = new Inbox('events');
    const pusher = await connectPusher(t, cluster.nodes[1], 'ada');
    (await subscribed(pusher.subscribe('private-last-words'))).bind('e', arrived.put);
    let answered = 0;
    let refused = false;
    const publish = async () => {
      while (!refused) {
        const one = answered;
        await cluster.nodes[0].pusher.trigger('private-last-words', 'e', one).then(() => (answered += 1), () => (refused = true));
      }
    };
    const publishing = publish();
    await arrived.until(50);
    assert.deepEqual(await cluster.nodes[0].server.stop(), { code: 0, signal: null });
    await publishing;
    await arrived.until(answered);
    assert.deepEqual(arrived.items.slice(0, answered), Array.from({ length: answered }, (_, n) => n));
  });

  test('all nodes restarted one after the other, clients coming back through one proxy: in the end all rosters are exact', async (t) => {
    const cluster = await ownCluster(t);
    const proxy = await cluster.proxy();
    const channel = 'presence-rolling';
    const users = Array.from({ length: 12 }, (_, n) => `u${n}`);
    const open = users.flatMap((user) => [0, 1].map(() => connectPusher(t, proxy, user)));
    const tabs = (await Promise.all(open)).map((pusher, at) => ({ pusher, user: users[at >> 1], book: ledger(pusher, channel) }));
    await Promise.all(tabs.map(({ pusher }) => subscribed(pusher.subscribe(channel))));
    await cluster.untilPresent(channel, users);
    const began = Date.now();
    for (const { server } of cluster.nodes) {
      assert.deepEqual(await server.stop(), { code: 0, signal: null });
      await server.start();
      await cluster.untilJoined(3);
    }
    t.diagnostic(`rolled in ${Date.now() - began} ms`);
    await Promise.all(tabs.map(({ pusher }) => state(pusher, 'connected', COMEBACK)));
    await Promise.all(tabs.map(({ pusher }) => subscribed(pusher.channel(channel))));
    await cluster.untilPresent(channel, users);
    await cluster.untilAllReport(channel, 'user_count,subscription_count', { user_count: users.length, subscription_count: tabs.length });
    await mark(cluster.nodes[0], channel, tabs.map(({ book }) => book.received));
    for (const { pusher, user, book } of tabs) {
      assert.deepEqual([[...book.present].sort(), book.faults], [[...users].sort(), []], user);
      const { members } = pusher.channel(channel);
      assert.deepEqual([members.count, members.me.id], [users.length, user]);
    }
  });
});
