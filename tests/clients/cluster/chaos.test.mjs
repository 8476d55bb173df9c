// Owns everything breaking again and again, at random: while it lasts no client receives a contradiction, and afterwards all agree.
// CHAOS_SEED in the environment chooses another course of events.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { connectPusher, ledger, listener, mark, ownCluster, publisher, random, state, subscribed } from '../harness.mjs';

const SEED = Number(process.env.CHAOS_SEED ?? 20_260_727);
const ROUNDS = 8;
// A client that was refused waits so long before its next attempt.
const COMEBACK = 35_000;
const AGREED = 15_000;

/** What can break; each is whole again when its promise resolves. */
const FAULTS = {
  async 'link killed'(cluster, node) {
    await cluster.killLink(node);
  },
  async 'link cut'(cluster, node, pick) {
    node.cable.cut();
    await pause(500 + pick(2500));
    node.cable.mend();
  },
  async 'Redis standing still'(cluster, _, pick) {
    cluster.redis.freeze();
    await pause(200 + pick(2000));
    cluster.redis.thaw();
  },
  async 'Redis started again'(cluster, _, pick) {
    await cluster.redis.kill();
    await pause(pick(1000));
    await cluster.redis.start();
  },
  async 'node killed'(cluster, node, pick) {
    await node.server.kill();
    await pause(pick(2000));
    await node.server.start();
  },
  async 'node standing still'(cluster, node, pick) {
    node.server.freeze();
    await pause(pick(2000));
    node.server.thaw();
  },
  async 'node stopped'(cluster, node, pick) {
    await node.server.stop();
    await pause(pick(500));
    await node.server.start();
  },
};

/** One fault after the other; gives what they were. */
async function breakThings(cluster, kinds, pick) {
  const story = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const [kind, at] = [kinds[pick(kinds.length)], pick(cluster.nodes.length)];
    story.push(`${kind} (${at})`);
    await FAULTS[kind](cluster, cluster.nodes[at], pick);
    await pause(pick(600));
  }
  return story.join(', ');
}

describe(`chaos (seed ${SEED})`, { concurrency: true }, () => {
  for (const transport of ['pubsub', 'streams']) {
    test(`users who come and go while links, nodes and Redis break, over ${transport}: all end with the same rosters`, async (t) => {
      const cluster = await ownCluster(t, { cables: true, cluster: { transport } });
      const proxy = await cluster.proxy();
      const [channels, pick] = [['presence-chaos-a', 'presence-chaos-b'], random(SEED)];
      const open = Array.from({ length: 30 }, async (_, at) => {
        const [user, pusher] = [`c${at >> 1}`, await connectPusher(t, proxy, `c${at >> 1}`)];
        return { user, pusher, mounted: new Set(), books: channels.map((channel) => ledger(pusher, channel)) };
      });
      const tabs = await Promise.all(open);
      let goesOn = true;
      const churn = async () => {
        while (goesOn) {
          const [tab, channel] = [tabs[pick(tabs.length)], channels[pick(channels.length)]];
          if (tab.mounted.delete(channel)) tab.pusher.unsubscribe(channel);
          else tab.mounted.add(channel) && tab.pusher.subscribe(channel);
          await pause(10);
        }
      };
      const churning = churn();
      t.diagnostic(await breakThings(cluster, Object.keys(FAULTS), random(SEED + 1)));
      goesOn = false;
      await churning;

      await cluster.untilJoined(3);
      await Promise.all(tabs.map(({ pusher }) => state(pusher, 'connected', COMEBACK)));
      for (const [at, channel] of channels.entries()) {
        // pusher-js forgets an unsubscribe when the connection ends before the subscription was answered, and joins again.
        for (const { mounted, pusher } of tabs) if (!mounted.has(channel)) pusher.unsubscribe(channel);
        const inside = tabs.filter(({ mounted }) => mounted.has(channel));
        await Promise.all(inside.map(({ pusher }) => subscribed(pusher.channel(channel))));
        const users = [...new Set(inside.map(({ user }) => user))].sort();
        await cluster.untilPresent(channel, users, AGREED);
        await cluster.untilAllReport(channel, 'user_count,subscription_count', { user_count: users.length, subscription_count: inside.length }, AGREED);
        const same = ({ books }) => JSON.stringify([...(books[at].present ?? [])].sort()) === JSON.stringify(users);
        await Promise.all(inside.map((tab) => tab.books[at].received.until(() => same(tab), AGREED)));
        for (const node of cluster.nodes) await mark(node, channel, inside.map(({ books }) => books[at].received));
        assert.ok(inside.every(same), 'and it stays so');
      }
      assert.deepEqual(tabs.flatMap(({ books }) => books.flatMap(({ faults }) => faults)), []);
      cluster.assertAllRun();
    });
  }

  test('streams while links and Redis (AOF) break: every event of every node reaches every subscriber, once and in order', async (t) => {
    const cluster = await ownCluster(t, { cables: true, cluster: { transport: 'streams' }, redis: { kept: true } });
    const channel = 'private-chaos';
    const ears = await Promise.all(cluster.nodes.flatMap((node, at) => [0, 1].map((tab) => listener(t, node, `u${at}${tab}`, channel))));
    const flows = cluster.nodes.map((node, at) => publisher(node, `flow-${at}`, channel));
    await Promise.all(ears.flatMap((ear) => flows.map(({ name }) => ear.untilReceived(name, 1))));
    const kinds = Object.keys(FAULTS).filter((kind) => !/node (killed|stopped)/.test(kind));
    t.diagnostic(await breakThings(cluster, kinds, random(SEED + 2)));
    for (const flow of flows) await flow.stop();
    await cluster.untilJoined(3);
    for (const ear of ears) for (const flow of flows) await ear.untilLast(flow);
    for (const node of cluster.nodes) await mark(node, channel, ears.map(({ markers }) => markers));
    t.diagnostic(`${flows.map(({ answered }) => answered)} events`);
    assert.deepEqual(flows.flatMap(({ refused }) => refused), []);
    const lost = ears.flatMap((ear) => flows.filter((flow) => ear.lost(flow)).map((flow) => `${ear.user} of ${flow.name}: ${ear.missing(flow)}`));
    const counted = await Promise.all(cluster.nodes.map((node) => node.metric('events_missed_total')));
    assert.deepEqual(lost, [], `the nodes counted as missed: ${counted}`);
    cluster.assertAllRun();
  });
});
