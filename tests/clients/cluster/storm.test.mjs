// Owns many users who come and go at random on all nodes: every client receives a consistent history, and in the end all agree.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { connectPusher, ledger, mark, random, roundTrip, sharedCluster, subscribed } from '../harness.mjs';

const SEED = 20_260_727;
const USERS = 60;
const NODES = 3;
const STEPS = 4000;
const CHANNELS = ['presence-storm-a', 'presence-storm-b'];
// Redis drops what it has of a vacant channel within a minute.
const FORGOTTEN = 60_000;
// How many tabs act at the same time.
const LANES = 12;

describe('a storm over three nodes', () => {
  const shared = sharedCluster({ nodes: NODES });

  test(`${USERS} users with a tab on each of ${NODES} nodes mount and unmount at random (seed ${SEED}): all end with the same rosters`, async (t) => {
    const tabs = [];
    for (let user = 0; user < USERS; user += 1) {
      const open = shared.nodes.map(async (node) => {
        const pusher = await connectPusher(t, node, `s${user}`);
        return { user: `s${user}`, node, pusher, mounted: new Set(), books: CHANNELS.map((channel) => ledger(pusher, channel)) };
      });
      tabs.push(...(await Promise.all(open)));
    }
    const toggle = async (tab, channel, waits) => {
      if (tab.mounted.delete(channel)) return tab.pusher.unsubscribe(channel);
      tab.mounted.add(channel);
      const subscription = tab.pusher.subscribe(channel);
      return waits ? subscribed(subscription) : undefined;
    };
    const began = Date.now();
    const lane = async (number) => {
      const pick = random(SEED + number);
      const own = tabs.filter((_, at) => at % LANES === number);
      for (let step = 0; step < STEPS / LANES; step += 1) {
        await toggle(own[pick(own.length)], CHANNELS[pick(CHANNELS.length)], pick(4) > 0);
      }
    };
    await Promise.all(Array.from({ length: LANES }, (_, number) => lane(number)));
    t.diagnostic(`${STEPS} steps of ${tabs.length} tabs in ${Date.now() - began} ms`);

    for (const [at, channel] of CHANNELS.entries()) {
      const inside = tabs.filter(({ mounted }) => mounted.has(channel));
      await Promise.all(inside.map(({ pusher }) => subscribed(pusher.channel(channel))));
      await Promise.all(tabs.map(({ pusher }) => roundTrip(pusher)));
      const users = [...new Set(inside.map(({ user }) => user))].sort();
      await shared.cluster.untilPresent(channel, users);
      await shared.cluster.untilAllReport(channel, 'user_count,subscription_count', { user_count: users.length, subscription_count: inside.length });
      for (const node of shared.nodes) await mark(node, channel, inside.map(({ books }) => books[at].received));
      for (const { pusher, books } of inside) {
        assert.deepEqual([...books[at].present].sort(), users);
        const { members } = pusher.channel(channel);
        assert.deepEqual(Object.keys(members.members).sort(), users);
        assert.equal(members.count, users.length);
      }
    }
    assert.deepEqual(tabs.flatMap(({ books }) => books.flatMap(({ faults }) => faults)), []);
    assert.deepEqual(await Promise.all(shared.nodes.map(({ metric }) => metric('events_missed_total'))), [0, 0, 0]);

    for (const { pusher } of tabs) pusher.disconnect();
    for (const channel of CHANNELS) await shared.cluster.untilPresent(channel, []);
    const { redis } = shared.cluster;
    for (const key of await redis.ask('KEYS', '*presence-storm*')) {
      const left = await redis.ask('PTTL', key);
      assert.ok(left !== -1 && left <= FORGOTTEN, `${key} of a vacant channel stays in Redis for ${left} ms`);
    }
  });
});
