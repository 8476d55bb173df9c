// Owns transport = "streams": whatever breaks between the nodes and Redis, in the end every client has received every event, once, and
// those of each publisher in order.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { listener, mark, overflow, ownCluster, publisher, ROOMY } from '../harness.mjs';

const SILENCE = 3000;
const CHANNEL = 'private-stream';

/** Two listeners and a publisher on each node. */
async function town(t, options) {
  const cluster = await ownCluster(t, { cluster: { transport: 'streams' }, redis: { kept: true }, app: { gap_event: 'resync' }, ...options });
  const ears = await Promise.all(cluster.nodes.flatMap((node, at) => [0, 1].map((tab) => listener(t, node, `u${at}${tab}`, CHANNEL))));
  const flows = cluster.nodes.map((node, at) => publisher(node, `flow-${at}`, CHANNEL));
  await Promise.all(ears.flatMap((ear) => flows.map(({ name }) => ear.untilReceived(name, 3))));
  return { cluster, ears, flows };
}

/** Ends the publishers: every client has received everything once and in order, and no gap event. */
async function assertNothingLost(t, cluster, ears, flows) {
  for (const flow of flows) await flow.stop();
  await cluster.untilJoined(cluster.nodes.length);
  for (const ear of ears) for (const flow of flows) await ear.untilLast(flow);
  for (const node of cluster.nodes) await mark(node, CHANNEL, ears.map(({ markers }) => markers));
  for (const [at, ear] of ears.entries()) {
    for (const flow of flows) assert.equal(ear.lost(flow), 0, `client ${at} lost events of ${flow.name}`);
    assert.deepEqual(ear.gaps, []);
  }
  for (const node of cluster.nodes) assert.equal(await node.metric('events_missed_total'), 0);
  for (const { name, slowest, refused } of flows) {
    assert.deepEqual(refused, []);
    assert.ok(slowest <= SILENCE, `an answer to ${name} took ${slowest} ms`);
  }
  t.diagnostic(`${flows.map(({ answered }) => answered)} events`);
  cluster.assertAllRun();
}

describe('streams', { concurrency: true }, () => {
  test('the connections of all nodes are killed again and again while all publish: nothing is lost, nothing comes twice', async (t) => {
    const { cluster, ears, flows } = await town(t);
    for (let round = 1; round <= 4; round += 1) {
      for (const type of ['normal', 'pubsub']) await cluster.redis.ask('CLIENT', 'KILL', 'TYPE', type);
      await Promise.all(cluster.nodes.map((node) => node.untilMetric('links_lost_total', round)));
      await cluster.untilJoined(3);
    }
    await assertNothingLost(t, cluster, ears, flows);
  });

  test('the connection of one node is killed while the others publish', async (t) => {
    const { cluster, ears, flows } = await town(t, { cables: true });
    for (let round = 1; round <= 4; round += 1) {
      await cluster.killLink(cluster.nodes[1]);
      await cluster.nodes[1].untilMetric('links_lost_total', round);
      await cluster.nodes[1].untilMetric('connected', 1);
    }
    await assertNothingLost(t, cluster, ears, flows);
  });

  test('Redis is killed and comes back with what it had written down (AOF)', async (t) => {
    const { cluster, ears, flows } = await town(t);
    await cluster.redis.kill();
    await Promise.all(cluster.nodes.map((node) => node.untilMetric('connected', 0)));
    await pause(1000);
    await cluster.redis.start();
    await cluster.untilJoined(3);
    await assertNothingLost(t, cluster, ears, flows);
  });

  test('Redis stands still for 3 s', async (t) => {
    const { cluster, ears, flows } = await town(t);
    cluster.redis.freeze();
    await Promise.all(cluster.nodes.map((node) => node.untilMetric('connected', 0)));
    await pause(2000);
    cluster.redis.thaw();
    await cluster.untilJoined(3);
    await assertNothingLost(t, cluster, ears, flows);
  });

  test('one node is cut off for longer than the lease', async (t) => {
    const { cluster, ears, flows } = await town(t, { cables: true });
    const island = cluster.nodes[2];
    island.cable.cut();
    await island.untilMetric('connected', 0);
    await cluster.nodes[0].untilMetric('nodes', 2);
    island.cable.mend();
    await cluster.untilJoined(3);
    await assertNothingLost(t, cluster, ears, flows);
    for (const ear of ears.filter(({ node }) => node === island)) {
      assert.ok(ear.silence('flow-2') <= SILENCE, `own events paused for ${ear.silence('flow-2')} ms`);
    }
  });

  test('a node that stands still until Redis drops it (output buffer) catches up', async (t) => {
    const cluster = await ownCluster(t, { cluster: { transport: 'streams' }, websocket: ROOMY, app: { gap_event: 'resync' } });
    const ears = await Promise.all(cluster.nodes.map((node, at) => listener(t, node, `u${at}`, CHANNEL)));
    const still = cluster.nodes[2];
    const answered = await overflow(cluster, still, CHANNEL);
    still.server.thaw();
    await still.untilMetric('links_lost_total', 1);
    await assertNothingLost(t, cluster, ears, [{ name: 'flood', answered, slowest: 0, refused: [], stop: () => {} }]);
  });

  test('more events than are kept, while a node is cut off: the lost ones are counted and reported, the rest arrives', async (t) => {
    const kept = 100;
    const cluster = await ownCluster(t, { nodes: 2, cluster: { transport: 'streams', stream_events: kept }, cables: true, app: { gap_event: 'resync' } });
    const ears = await Promise.all(cluster.nodes.map((node, at) => listener(t, node, `u${at}`, CHANNEL)));
    const [near, island] = cluster.nodes;
    await near.pusher.trigger(CHANNEL, 'e', ['flow', 0]);
    await ears[1].untilReceived('flow', 1);
    island.cable.cut();
    await island.untilMetric('connected', 0);
    const flow = { name: 'flow', answered: 600 };
    for (let n = 1; n < flow.answered; n += 1) await near.pusher.trigger(CHANNEL, 'e', ['flow', n]);
    island.cable.mend();
    await cluster.untilJoined(2);
    await Promise.all(ears.map((ear) => ear.untilLast(flow)));
    await mark(near, CHANNEL, ears.map(({ markers }) => markers));
    const lost = ears[1].lost(flow);
    t.diagnostic(`lost ${lost} of ${flow.answered}`);
    assert.ok(lost > 0 && lost < flow.answered - kept, `lost ${lost}`);
    assert.equal(await island.metric('events_missed_total'), lost);
    assert.deepEqual(ears.map(({ gaps }) => gaps), [[], [lost]]);
  });
});
