// Owns Redis going away: killed and empty when it is back, or standing still. Nodes serve on, no client receives members that did
// not move, and afterwards everything is exact.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { connectPusher, Inbox, listener, mark, ownCluster, publisher, subscribed } from '../harness.mjs';

const LEASE = 5000;
const SILENCE = 3000;
// To connect, be signed and be answered.
const NEWCOMER = 5000;
const CHANNEL = 'presence-away';

/** Three nodes with a user each and one on all of them, and a publisher on each node. */
async function town(t, options) {
  const cluster = await ownCluster(t, options);
  const ears = [];
  for (const [at, node] of cluster.nodes.entries()) {
    for (const user of [`u${at}`, 'common']) ears.push(await listener(t, node, user, CHANNEL));
  }
  await cluster.untilPresent(CHANNEL, ['common', 'u0', 'u1', 'u2']);
  const flows = cluster.nodes.map((node, at) => publisher(node, `flow-${at}`, CHANNEL));
  await Promise.all(ears.flatMap((ear) => flows.map(({ name }) => ear.untilReceived(name, 3))));
  return { cluster, ears, flows };
}

const memberNews = (ear, since = 1) => ear.book.received.items.slice(since).filter(([event]) => /member_|subscription_/.test(event));

/** Drops the member events up to now: what comes from now on is news. */
function forget(ears) {
  for (const ear of ears) ear.since = ear.book.received.items.length;
}

/** Own events came through without a hole and without a pause that people notice; publishers had their answers. */
function assertServedOn(t, ears, flows) {
  for (const flow of flows) {
    assert.deepEqual(flow.refused, []);
    assert.ok(flow.slowest <= SILENCE, `an answer to ${flow.name} took ${flow.slowest} ms`);
    for (const ear of ears.filter(({ node }) => node === flow.node)) {
      assert.equal(ear.lost(flow), 0, `own events of ${flow.name} lost`);
      assert.ok(ear.silence(flow.name) <= SILENCE, `${ear.silence(flow.name)} ms of silence`);
    }
  }
  t.diagnostic(`slowest answer ${Math.max(...flows.map(({ slowest }) => slowest))} ms`);
}

/** Events of each node reach every client, and all rosters are `users`. */
async function assertWhole(cluster, ears, users) {
  await cluster.untilJoined(cluster.nodes.length);
  await cluster.untilPresent(CHANNEL, users);
  await cluster.untilAllReport(CHANNEL, 'user_count', { user_count: users.length });
  for (const node of cluster.nodes) await mark(node, CHANNEL, ears.map(({ markers }) => markers));
  for (const { pusher, book } of ears) {
    assert.deepEqual([[...book.present].sort(), book.faults], [[...users].sort(), []]);
    assert.equal(pusher.channel(CHANNEL).members.count, users.length);
  }
  for (const node of cluster.nodes) assert.deepEqual(await node.ready(), { status: 200, ready: true, cluster: 'connected', nodes: 3 });
  cluster.assertAllRun();
}

const REDIS_AWAY = {
  condition: 'redis_away',
  severity: 'degraded',
  text: 'Redis is away: events reach the sockets of this node only; the log names the cause',
};

describe('Redis away', { concurrency: true }, () => {
  test('killed, and back empty after 1.5 s: nodes serve on, no member flickers, and all is whole again', async (t) => {
    const { cluster, ears, flows } = await town(t);
    forget(ears);
    await cluster.redis.kill();
    const killed = Date.now();
    await Promise.all(cluster.nodes.map((node) => node.untilMetric('connected', 0)));
    assert.ok(Date.now() - killed < SILENCE, 'noticed at once');
    for (const node of cluster.nodes) assert.deepEqual(await node.ready(), { status: 200, ready: true, cluster: 'degraded', reasons: [REDIS_AWAY] });
    for (const [at, node] of cluster.nodes.entries()) {
      assert.deepEqual(await node.users(CHANNEL), ['common', 'u0', 'u1', 'u2'], `node ${at} knows what it knew`);
    }
    await pause(Math.max(0, 1500 - (Date.now() - killed)));
    await cluster.redis.start();
    const back = Date.now();
    await cluster.untilJoined(3);
    t.diagnostic(`joined ${Date.now() - back} ms after Redis was back`);
    assert.ok(Date.now() - back < 10_000);
    const users = ['common', 'u0', 'u1', 'u2'];
    await assertWhole(cluster, ears, users);
    // Doubts about members whose node has not spoken again would end now.
    await pause(LEASE + 1000);
    for (const flow of flows) await flow.stop();
    await assertWhole(cluster, ears, users);
    for (const ear of ears) assert.deepEqual(memberNews(ear, ear.since), []);
    assertServedOn(t, ears, flows);
  });

  test('killed: joins and leaves meanwhile reach the other nodes once, when Redis is back', async (t) => {
    const { cluster, ears, flows } = await town(t);
    for (const flow of flows) await flow.stop();
    forget(ears);
    await cluster.redis.kill();
    await Promise.all(cluster.nodes.map((node) => node.untilMetric('connected', 0)));
    const [left] = ears.filter(({ pusher }) => pusher.channel(CHANNEL).members.me.id === 'u1');
    left.pusher.disconnect();
    const near = ears.find(({ node, pusher }) => node === cluster.nodes[1] && pusher !== left.pusher);
    await near.book.received.until(() => !near.book.present.has('u1'));
    const came = await listener(t, cluster.nodes[2], 'late', CHANNEL);
    const stay = [...ears.filter((ear) => ear !== left), came];
    came.since = 1;
    await cluster.redis.start();
    const users = ['common', 'late', 'u0', 'u2'];
    await cluster.untilJoined(3);
    await Promise.all(stay.map(({ book }) => book.received.until(() => book.present.size === 4 && !book.present.has('u1'), LEASE + 15_000)));
    await assertWhole(cluster, stay, users);
    for (const ear of stay.filter((one) => one !== came)) {
      assert.deepEqual(memberNews(ear, ear.since).sort(), [['member_added', 'late'], ['member_removed', 'u1']]);
    }
    assert.ok(memberNews(came).every(([event, user]) => event === 'member_removed' && user === 'u1'), JSON.stringify(memberNews(came)));
  });

  for (const [seconds, what] of [[3, 'shorter than the lease'], [8, 'longer than the lease']]) {
    test(`standing still for ${seconds} s, ${what}: nodes serve their clients and accept new ones, no member leaves and comes back, none stays that has left`, async (t) => {
      const { cluster, ears, flows } = await town(t);
      forget(ears);
      cluster.redis.freeze();
      const frozen = Date.now();
      // Their coming is on its way to Redis when that is given up, and is not to be found there afterwards; one has gone by then.
      const [ghost, newSubscriber] = await Promise.all(['ghost', 'late'].map((user) => listener(t, cluster.nodes[1], user, CHANNEL)));
      assert.ok(Date.now() - frozen <= NEWCOMER, `a subscription was answered after ${Date.now() - frozen} ms`);
      await Promise.all(cluster.nodes.map((node) => node.untilMetric('connected', 0)));
      t.diagnostic(`noticed after ${Date.now() - frozen} ms`);
      ghost.pusher.disconnect();
      const left = ears.find(({ pusher }) => pusher.channel(CHANNEL).members.me.id === 'u2');
      left.pusher.disconnect();
      const asked = Date.now();
      const { channels } = await (await cluster.nodes[0].pusher.get({ path: '/channels' })).json();
      assert.deepEqual(channels, { [CHANNEL]: {} });
      assert.ok(Date.now() - asked < SILENCE, 'queries are answered');
      await pause(Math.max(0, seconds * 1000 - (Date.now() - frozen)));
      cluster.redis.thaw();
      const thawed = Date.now();
      await cluster.untilJoined(3);
      t.diagnostic(`joined ${Date.now() - thawed} ms after Redis went on`);
      const stay = ears.filter((ear) => ear !== left);
      const users = ['common', 'late', 'u0', 'u1'];
      await assertWhole(cluster, [...stay, newSubscriber], users);
      await pause(LEASE + 1000);
      for (const flow of flows) await flow.stop();
      await assertWhole(cluster, [...stay, newSubscriber], users);
      await cluster.untilAllReport(CHANNEL, 'subscription_count', { subscription_count: 6 });
      for (const ear of stay) {
        const news = memberNews(ear, ear.since).filter(([, user]) => user !== 'ghost');
        assert.deepEqual(news.sort(), [['member_added', 'late'], ['member_removed', 'u2']]);
      }
      assertServedOn(t, stay, flows);
      // What stood in the queue of a dead connection must not come late.
      for (const ear of stay) for (const flow of flows) ear.lost(flow);
    });
  }

  test('a publish that only this node gets is answered like any other, but for a header, and a cache channel keeps it here', async (t) => {
    const cluster = await ownCluster(t, { nodes: 2 });
    await cluster.redis.kill();
    await Promise.all(cluster.nodes.map((node) => node.untilMetric('connected', 0)));
    const answer = await cluster.nodes[0].pusher.trigger('cache-alone', 'e', { a: 1 });
    assert.deepEqual([answer.status, answer.headers.get('resound-publish-scope'), await answer.json()], [200, 'node', {}]);
    const arrived = new Inbox('late');
    const channel = (await connectPusher(t, cluster.nodes[0], 'ada')).subscribe('cache-alone');
    channel.bind('e', arrived.put);
    await subscribed(channel);
    assert.deepEqual(await arrived.until(1), [{ a: 1 }]);
  });
});
