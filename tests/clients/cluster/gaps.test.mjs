// Owns losses that no link has seen: events from before a node knew of a channel, from while it was given up, from a Redis that
// lost them. They are reported to the clients they concern: how many, or null where the number is unknown.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { listener, mark, ownCluster, untilOccupied } from '../harness.mjs';

const CHANNEL = 'private-gaps';
const LEASE = 5000;

const town = (t, options) => ownCluster(t, { nodes: 2, cables: true, app: { gap_event: 'resync' }, ...options });

/** Publishes so many events through `node`; an object as `lost` takes it. */
async function published(node, count, name = 'flow') {
  for (let n = 0; n < count; n += 1) await node.pusher.trigger(CHANNEL, 'e', [name, n]);
  return { name, answered: count };
}

/** The gap events of each listener, once every one has received a marker of each node. */
async function gaps(cluster, ears) {
  await cluster.untilJoined(2);
  for (const node of cluster.nodes) await mark(node, CHANNEL, ears.map(({ markers }) => markers));
  return ears.map((ear) => ear.gaps);
}

describe('losses that no link has seen', { concurrency: true }, () => {
  test('a client that joins while the node is cut off is notified of a possible gap, once', async (t) => {
    const cluster = await town(t);
    const [near, island] = cluster.nodes;
    const there = await listener(t, near, 'ann', CHANNEL);
    island.cable.cut();
    await island.untilMetric('connected', 0);
    const came = await listener(t, island, 'bob', CHANNEL);
    const flow = await published(near, 3);
    island.cable.mend();
    assert.deepEqual(await gaps(cluster, [there, came]), [[], [null]]);
    assert.deepEqual([there.lost(flow), came.lost(flow)], [0, 3]);
    assert.equal(await island.metric('possible_gaps_total'), 1);
    assert.equal(await island.metric('events_missed_total'), 0);
    assert.equal(await near.metric('possible_gaps_total'), 0);
  });

  test('the only subscriber, on a node that was given up: the missed events are counted, and reported when it is back', async (t) => {
    const cluster = await town(t);
    const [near, island] = cluster.nodes;
    const alone = await listener(t, island, 'ann', CHANNEL);
    island.cable.cut();
    await near.untilMetric('nodes', 1, LEASE + 15_000);
    await untilOccupied(near.pusher, CHANNEL, false);
    const flow = await published(near, 4);
    island.cable.mend();
    assert.deepEqual(await gaps(cluster, [alone]), [[4]]);
    assert.equal(alone.lost(flow), 4);
    assert.equal(await island.metric('events_missed_total'), 4);
    assert.equal(await island.metric('possible_gaps_total'), 0);
  });

  test('Redis loses all data: every client is notified of a possible gap, once', async (t) => {
    const cluster = await town(t);
    const ears = [await listener(t, cluster.nodes[0], 'ann', CHANNEL), await listener(t, cluster.nodes[1], 'bob', CHANNEL)];
    await published(cluster.nodes[0], 3);
    await cluster.redis.ask('FLUSHALL');
    for (const node of cluster.nodes) await node.untilMetric('possible_gaps_total', 1);
    assert.deepEqual(await gaps(cluster, ears), [[null], [null]]);
  });

  test('Redis comes back as it was a while ago: clients that were cut off meanwhile are notified', async (t) => {
    const cluster = await town(t);
    const [near, island] = cluster.nodes;
    const alone = await listener(t, island, 'ann', CHANNEL);
    const before = await published(near, 3, 'before');
    await alone.untilLast(before);
    await cluster.redis.ask('SAVE');
    island.cable.cut();
    await island.untilMetric('connected', 0);
    const flow = await published(near, 5);
    await cluster.redis.kill();
    await cluster.redis.start();
    island.cable.mend();
    await island.untilMetric('possible_gaps_total', 1);
    assert.deepEqual(await gaps(cluster, [alone]), [[null]]);
    assert.equal(alone.lost(flow), 5);
  });

  test('Redis comes back as it was: no client is notified', async (t) => {
    const cluster = await town(t, { redis: { kept: true } });
    const ears = [await listener(t, cluster.nodes[0], 'ann', CHANNEL), await listener(t, cluster.nodes[1], 'bob', CHANNEL)];
    const flow = await published(cluster.nodes[0], 3);
    await Promise.all(ears.map((ear) => ear.untilLast(flow)));
    await cluster.redis.kill();
    for (const node of cluster.nodes) await node.untilMetric('connected', 0);
    await cluster.redis.start();
    assert.deepEqual(await gaps(cluster, ears), [[], []]);
    for (const node of cluster.nodes) assert.equal(await node.metric('possible_gaps_total'), 0);
  });
});
