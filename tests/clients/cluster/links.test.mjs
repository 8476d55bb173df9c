// Owns the link between one node and Redis: cut off, killed, held up. What is lost is counted exactly and reported to the clients it concerns.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { listener, mark, overflow, ownCluster, publisher, ROOMY } from '../harness.mjs';

const LEASE = 5000;
const SILENCE = 3000;
const CHANNEL = 'presence-link';

/** Listeners and publishers on each node; all events reach every listener. */
async function town(t, options, { flowsOn = [0, 1, 2] } = {}) {
  const cluster = await ownCluster(t, { cables: true, app: { gap_event: 'resync' }, ...options });
  const ears = [];
  for (const [at, node] of cluster.nodes.entries()) {
    for (const user of [`u${at}`, 'common']) ears.push(await listener(t, node, user, CHANNEL));
  }
  const flows = flowsOn.map((at) => publisher(cluster.nodes[at], `flow-${at}`, CHANNEL));
  await Promise.all(ears.flatMap((ear) => flows.map(({ name }) => ear.untilReceived(name, 3))));
  return { cluster, ears, flows };
}

const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);

/** Ends the publishers; each listener has received the last of each, and a marker of each node. */
async function settle(cluster, ears, flows) {
  for (const flow of flows) await flow.stop();
  await cluster.untilJoined(cluster.nodes.length);
  for (const node of cluster.nodes) await mark(node, CHANNEL, ears.map(({ markers }) => markers));
}

/**
 * The clients of each node lost what the node counts, and received that number; all of one node lost the same; own events never are.
 * What a node could not give to Redis (`events_not_replicated`) is counted there, and may be missing elsewhere.
 */
async function assertCounted(t, cluster, ears, flows) {
  const [lost, unshared] = [[], await Promise.all(cluster.nodes.map(({ metric }) => metric('events_not_replicated_total')))];
  for (const [at, node] of cluster.nodes.entries()) {
    const counted = await node.metric('events_missed_total');
    const elsewhere = sum(unshared) - unshared[at];
    for (const ear of ears.filter((one) => one.node === node)) {
      for (const flow of flows.filter((one) => one.node === node)) assert.equal(ear.lost(flow), 0, 'own events are never lost');
      const really = sum(flows.map((flow) => ear.lost(flow)));
      const what = `node ${at} counts ${counted}, its client lost ${really}; the others could not share ${elsewhere}`;
      assert.ok(counted <= really && really <= counted + elsewhere, what);
      assert.equal(sum(ear.gaps), counted, `received ${ear.gaps}`);
    }
    lost.push(counted);
  }
  t.diagnostic(`lost per node: ${lost}; not shared: ${unshared}`);
  for (const flow of flows) {
    assert.deepEqual(flow.refused, []);
    assert.ok(flow.slowest <= SILENCE, `an answer took ${flow.slowest} ms`);
  }
  return lost;
}

async function assertSamePresence(cluster, ears, since) {
  const users = ['common', 'u0', 'u1', 'u2'];
  await cluster.untilPresent(CHANNEL, users);
  for (const [at, { book }] of ears.entries()) {
    assert.deepEqual([[...book.present].sort(), book.faults], [users, []]);
    const news = book.received.items.slice(since[at]).filter(([event]) => event.startsWith('member_'));
    assert.deepEqual(news, [], 'no member has moved');
  }
  cluster.assertAllRun();
}

const received = (ears) => ears.map(({ book }) => book.received.items.length);

describe('the link between a node and Redis', { concurrency: true }, () => {
  test('killed while others publish: the node counts exactly what its clients lost, and tells them with the gap event', async (t) => {
    const { cluster, ears, flows } = await town(t, {}, { flowsOn: [0, 1] });
    const since = received(ears);
    const [, , killed] = cluster.nodes;
    for (let round = 1; round <= 3; round += 1) {
      await cluster.killLink(killed);
      await killed.untilMetric('links_lost_total', round);
      await killed.untilMetric('connected', 1);
    }
    await settle(cluster, ears, flows);
    const lost = await assertCounted(t, cluster, ears, flows);
    assert.deepEqual(lost.slice(0, 2), [0, 0], 'the other nodes lost nothing');
    assert.ok(lost[2] > 0, 'events were published meanwhile');
    await assertSamePresence(cluster, ears, since);
  });

  test('killed while the node itself publishes too: what its clients lost of the others is counted exactly', async (t) => {
    const { cluster, ears, flows } = await town(t, {}, { flowsOn: [0, 2] });
    const since = received(ears);
    const [, , killed] = cluster.nodes;
    for (let round = 1; round <= 8; round += 1) {
      await cluster.killLink(killed);
      await killed.untilMetric('links_lost_total', round);
      await killed.untilMetric('connected', 1);
    }
    await settle(cluster, ears, flows);
    await assertCounted(t, cluster, ears, flows);
    await assertSamePresence(cluster, ears, since);
  });

  test('killed for all nodes at once while all publish: each counts what its clients lost, own events arrive', async (t) => {
    const { cluster, ears, flows } = await town(t);
    const since = received(ears);
    await cluster.redis.ask('CLIENT', 'KILL', 'TYPE', 'pubsub');
    await Promise.all(cluster.nodes.map((node) => node.untilMetric('links_lost_total', 1)));
    await settle(cluster, ears, flows);
    await assertCounted(t, cluster, ears, flows);
    await assertSamePresence(cluster, ears, since);
  });

  test('held up for longer than the lease: the node serves its own, the others see its members go; healed, they are back', async (t) => {
    const { cluster, ears, flows } = await town(t);
    const [near, far] = [ears.filter(({ node }) => node === cluster.nodes[2]), ears.filter(({ node }) => node !== cluster.nodes[2])];
    const [before, beforeFar] = [received(near), received(far)];
    const island = cluster.nodes[2];
    island.cable.cut();
    const cut = Date.now();
    await island.untilMetric('connected', 0);
    t.diagnostic(`noticed after ${Date.now() - cut} ms`);
    assert.ok(Date.now() - cut <= 10_000, 'noticed within 10 s');
    await Promise.all(far.map(({ book }) => book.received.until(() => !book.present.has('u2'), LEASE + 15_000)));
    t.diagnostic(`the others saw its members go after ${Date.now() - cut} ms`);
    assert.ok(far.every(({ book }) => book.present.has('common')), 'who is on other nodes too stays');
    for (const node of cluster.nodes.slice(0, 2)) assert.deepEqual(await node.users(CHANNEL), ['common', 'u0', 'u1']);
    const asked = Date.now();
    const answer = await island.pusher.get({ path: `/channels/${CHANNEL}`, params: { info: 'user_count,subscription_count' } });
    assert.ok(Date.now() - asked <= SILENCE, 'a query is answered');
    const { occupied } = await answer.json();
    assert.equal(occupied, true);
    assert.ok((await island.users(CHANNEL)).includes('u2'));
    island.cable.mend();
    const healed = Date.now();
    await cluster.untilJoined(3);
    await Promise.all(far.map(({ book }) => book.received.until(() => book.present.has('u2'))));
    t.diagnostic(`back ${Date.now() - healed} ms after healing`);
    await settle(cluster, ears, flows);
    await assertCounted(t, cluster, ears, flows);
    await assertSamePresence(cluster, near, before);
    for (const [at, { book }] of far.entries()) {
      const news = book.received.items.slice(beforeFar[at]).filter(([event]) => event.startsWith('member_'));
      assert.deepEqual(news, [['member_removed', 'u2'], ['member_added', 'u2']]);
    }
    const own = flows[2];
    for (const ear of near) assert.ok(ear.silence(own.name) <= SILENCE, `${ear.silence(own.name)} ms of silence on the island`);
    for (const ear of far) for (const flow of flows.slice(0, 2)) assert.equal(ear.lost(flow), 0);
  });

  test('a member that leaves a node that is cut off is gone everywhere after healing; one that joins it meanwhile is present', async (t) => {
    const { cluster, ears, flows } = await town(t, {}, { flowsOn: [] });
    const island = cluster.nodes[2];
    island.cable.cut();
    await island.untilMetric('connected', 0);
    ears.find(({ node, pusher }) => node === island && pusher.channel(CHANNEL).members.me.id === 'u2').pusher.disconnect();
    const came = await listener(t, island, 'late', CHANNEL);
    island.cable.mend();
    await cluster.untilPresent(CHANNEL, ['common', 'late', 'u0', 'u1']);
    await cluster.untilAllReport(CHANNEL, 'subscription_count', { subscription_count: 6 });
    await settle(cluster, ears.slice(0, 4), flows);
    for (const { book } of [...ears.slice(0, 4), came]) {
      assert.deepEqual([[...book.present].sort(), book.faults], [['common', 'late', 'u0', 'u1'], []]);
    }
  });

  test('a node that stands still until Redis drops it (output buffer): it is back by itself, and counts exactly what was lost', async (t) => {
    const { cluster, ears } = await town(t, { websocket: ROOMY }, { flowsOn: [] });
    const still = cluster.nodes[2];
    const flow = { name: 'flood', node: cluster.nodes[0], answered: await overflow(cluster, still, CHANNEL), refused: [], slowest: 0 };
    still.server.thaw();
    await still.untilMetric('links_lost_total', 1);
    await settle(cluster, ears, []);
    const lost = await assertCounted(t, cluster, ears, [flow]);
    assert.deepEqual([lost[0], lost[1]], [0, 0]);
    assert.ok(lost[2] > 0);
    cluster.assertAllRun();
  });
});
