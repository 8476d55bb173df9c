// Owns the moment a node reports that it is ready: from then on events reach it and its events reach the others.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { connectPusher, Inbox, mark, ownCluster, present, sharedCluster, subscribed } from '../harness.mjs';

const ROUNDS = 5;

async function listen(t, node, channel) {
  const arrived = new Inbox(channel);
  (await subscribed((await connectPusher(t, node, 'ada')).subscribe(channel))).bind('e', arrived.put);
  return arrived;
}

describe('a node that has just started', () => {
  const shared = sharedCluster({ nodes: 2 });

  test(`the first event of a new node reaches clients of the others (${ROUNDS} times)`, async (t) => {
    const old = await Promise.all(shared.nodes.slice(0, 2).map((node) => listen(t, node, 'private-first')));
    for (let round = 0; round < ROUNDS; round += 1) {
      const node = await shared.cluster.add();
      await node.pusher.trigger('private-first', 'e', round);
      for (const arrived of old) assert.deepEqual((await arrived.until(round + 1)).slice(round), [round]);
      await node.server.stop();
    }
  });

  test(`the first event that others publish reaches the first client of a new node (${ROUNDS} times)`, async (t) => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const node = await shared.cluster.add();
      const arrived = await listen(t, node, 'private-late');
      await shared.nodes[round % 2].pusher.trigger('private-late', 'e', round);
      assert.deepEqual(await arrived.until(1), [round]);
      await node.server.kill();
    }
  });

  test('its first client receives the members of the others, and is announced to them', async (t) => {
    const bob = await present(await connectPusher(t, shared.nodes[0], 'bob'), 'presence-start');
    const node = await shared.cluster.add();
    const ada = await present(await connectPusher(t, node, 'ada'), 'presence-start');
    assert.deepEqual([...ada.present].sort(), ['ada', 'bob']);
    assert.deepEqual((await bob.received.until(2)).slice(1), [['member_added', 'ada']]);
    assert.deepEqual(await node.users('presence-start'), ['ada', 'bob']);
  });
});

describe('Redis absent at the start', { concurrency: true }, () => {
  test('nodes serve their own clients; once Redis comes they are one cluster within 2 s, and only differences are sent', async (t) => {
    const cluster = await ownCluster(t, { redis: false });
    const channel = 'presence-island';
    const clients = [];
    for (const [at, node] of cluster.nodes.entries()) {
      const [own, common] = [await connectPusher(t, node, `u${at}`), await connectPusher(t, node, 'common')];
      clients.push({ node, pusher: own, book: await present(own, channel) }, { node, pusher: common, book: await present(common, channel) });
      const arrived = await listen(t, node, 'private-island');
      await node.pusher.trigger('private-island', 'e', at);
      assert.deepEqual(await arrived.until(1), [at], 'local events go on');
      assert.deepEqual(await node.users(channel), ['common', `u${at}`]);
      assert.equal(await node.metric('connected'), 0);
    }
    for (const { book } of clients) book.before = book.received.items.length;
    await cluster.redis.start();
    const came = Date.now();
    await cluster.untilJoined(3);
    const all = ['common', 'u0', 'u1', 'u2'];
    await cluster.untilPresent(channel, all);
    t.diagnostic(`joined ${Date.now() - came} ms after Redis answered`);
    assert.ok(Date.now() - came < 10_000, `it took ${Date.now() - came} ms`);
    for (const { node, book } of clients) {
      const [items] = await mark(cluster.nodes[0], channel, [book.received]);
      const others = all.slice(1).filter((user) => user !== `u${cluster.nodes.indexOf(node)}`);
      assert.deepEqual(items.slice(book.before).sort(), others.map((user) => ['member_added', user]));
      assert.deepEqual([[...book.present].sort(), book.faults], [all, []]);
    }
    cluster.assertAllRun();
  });

  test('with required = true a node does not start, and names the remedy', async (t) => {
    const refused = ownCluster(t, { nodes: 1, redis: false, cluster: { required: true } });
    await assert.rejects(refused, /cluster\.required is true: start it, or correct cluster\.url/);
  });
});
