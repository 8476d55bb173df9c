// Owns the queries of the HTTP API over several nodes: each node answers for all of them, exactly.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { connectPusher, sharedCluster, subscribed, until } from '../harness.mjs';

describe('queries of the HTTP API, sent to each of three nodes', () => {
  const shared = sharedCluster();

  /** A client of node `at` on these channels. */
  async function client(t, at, user, ...channels) {
    const pusher = await connectPusher(t, shared.nodes[at], user);
    for (const channel of channels) await subscribed(pusher.subscribe(channel));
    return pusher;
  }

  const get = async ({ pusher }, path, params = {}) => (await pusher.get({ path, params })).json();

  /** What all nodes answer, which must be the same. */
  async function everywhere(path, params) {
    const [first, ...others] = await Promise.all(shared.nodes.map((node) => get(node, path, params)));
    for (const other of others) assert.deepEqual(other, first);
    return first;
  }

  test('the list of channels has those of all nodes, with exact counts', async (t) => {
    await client(t, 0, 'ada', 'list-a', 'presence-list-a', 'private-list');
    await client(t, 1, 'ada', 'list-a', 'presence-list-a');
    const bob = await client(t, 2, 'bob', 'list-a', 'list-b', 'presence-list-a', 'presence-list-b');
    assert.deepEqual(await everywhere('/channels', { filter_by_prefix: 'list-', info: 'subscription_count' }), {
      channels: { 'list-a': { subscription_count: 3 }, 'list-b': { subscription_count: 1 } },
    });
    assert.deepEqual(await everywhere('/channels', { filter_by_prefix: 'presence-list-', info: 'user_count,subscription_count' }), {
      channels: { 'presence-list-a': { user_count: 2, subscription_count: 3 }, 'presence-list-b': { user_count: 1, subscription_count: 1 } },
    });
    const { channels } = await everywhere('/channels');
    assert.deepEqual(Object.keys(channels).sort(), ['list-a', 'list-b', 'presence-list-a', 'presence-list-b', 'private-list']);

    bob.disconnect();
    await shared.cluster.untilAllReport('list-b', undefined, { occupied: false });
    await shared.cluster.untilAllReport('presence-list-a', 'user_count,subscription_count', { user_count: 1, subscription_count: 2 });
    assert.deepEqual((await everywhere('/channels', { filter_by_prefix: 'presence-list-' })).channels, { 'presence-list-a': {} });
  });

  test('one channel: occupied, user_count, subscription_count; vacant once the last one of all nodes has left', async (t) => {
    const name = 'presence-one';
    const asked = () => everywhere(`/channels/${name}`, { info: 'user_count,subscription_count' });
    assert.deepEqual(await asked(), { occupied: false, user_count: 0, subscription_count: 0 });
    const clients = [await client(t, 0, 'ada', name), await client(t, 1, 'ada', name), await client(t, 2, 'bob', name)];
    assert.deepEqual(await asked(), { occupied: true, user_count: 2, subscription_count: 3 });
    for (const [at, expected] of [{ user_count: 2, subscription_count: 2 }, { user_count: 1, subscription_count: 1 }].entries()) {
      clients[at].disconnect();
      await shared.cluster.untilAllReport(name, 'user_count,subscription_count', expected);
    }
    clients[2].disconnect();
    await shared.cluster.untilAllReport(name, undefined, { occupied: false });
  });

  test('the users of a presence channel, in the same order on every node', async (t) => {
    const order = ['u2', 'u0', 'u1', 'u3'];
    for (const [at, user] of order.entries()) await client(t, at % 3, user, 'presence-users');
    await client(t, 2, 'u0', 'presence-users');
    const { users } = await everywhere('/channels/presence-users/users');
    assert.deepEqual(users.map(({ id }) => id).sort(), [...order].sort());
    t.diagnostic(`joined ${order}, answered ${users.map(({ id }) => id)}`);
  });

  test('the last event of a cache channel, which was triggered on another node', async (t) => {
    const name = 'private-cache-query';
    await client(t, 0, 'ada', name);
    await shared.nodes[1].pusher.trigger(name, 'e', { n: 7 });
    const { cache } = await everywhere(`/channels/${name}`, { info: 'cache' });
    assert.equal(cache.data, JSON.stringify({ n: 7 }));
    assert.ok(cache.ttl > 1790 && cache.ttl <= 1800, `ttl ${cache.ttl}`);
  });

  test('the number of connections is that of all nodes', async (t) => {
    const counted = () => Promise.all(shared.nodes.map(async (node) => (await get(node, '/connections')).connections));
    const untilCounted = (wanted) => until(async () => (await counted()).every((one) => one === wanted), `${wanted} connections on each node`);
    await untilCounted(0);
    const clients = await Promise.all([0, 0, 1, 2, 2].map((at) => client(t, at, 'ada')));
    await untilCounted(5);
    clients.slice(0, 2).forEach((pusher) => pusher.disconnect());
    await untilCounted(3);
  });

  test('what a trigger tells of its channels counts all nodes', async (t) => {
    for (const at of [0, 1, 2]) await client(t, at, `u${at % 2}`, 'presence-received');
    const answer = await shared.nodes[2].pusher.trigger('presence-received', 'e', {}, { info: 'user_count,subscription_count' });
    assert.deepEqual(await answer.json(), { channels: { 'presence-received': { user_count: 2, subscription_count: 3 } } });
  });
});
