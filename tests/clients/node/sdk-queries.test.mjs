// Owns the read side of the HTTP API with the npm `pusher` server SDK: channels, one channel, users.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { connectPusher, subscribed, untilOccupied, world } from '../harness.mjs';

describe('npm pusher: queries', () => {
  const shared = world();

  const get = async (path, params) => (await shared.pusher.get({ path, params })).json();
  const status = (path, params) => shared.pusher.get({ path, params }).then(() => 200, (error) => error.status);

  /** `users` (one connection each) on all `names`. */
  async function occupy(t, names, users = ['1']) {
    const clients = [];
    for (const user of users) {
      const pusher = await connectPusher(t, shared, user);
      for (const name of names) await subscribed(pusher.subscribe(name));
      clients.push(pusher);
    }
    return clients;
  }

  test('channels: an object, also when nothing is occupied', async () => {
    assert.deepEqual(await get('/channels', { filter_by_prefix: 'nothing-' }), { channels: {} });
  });

  test('channels: occupied ones only, with the requested attributes only', async (t) => {
    const [pusher] = await occupy(t, ['list-a', 'private-list-b', 'presence-list-c', 'list-gone']);
    pusher.unsubscribe('list-gone');
    await untilOccupied(shared.pusher, 'list-gone', false);
    const { channels } = await get('/channels');
    const ours = Object.fromEntries(Object.entries(channels).filter(([name]) => name.includes('list-')));
    assert.deepEqual(ours, { 'list-a': {}, 'private-list-b': {}, 'presence-list-c': {} });
  });

  test('channels: filter_by_prefix and info=user_count', async (t) => {
    await occupy(t, ['presence-count-a'], ['1', '2', '2']);
    await occupy(t, ['presence-count-b', 'count-c'], ['3']);
    assert.deepEqual(await get('/channels', { filter_by_prefix: 'presence-count-', info: 'user_count' }), {
      channels: { 'presence-count-a': { user_count: 2 }, 'presence-count-b': { user_count: 1 } },
    });
    assert.deepEqual(await get('/channels', { filter_by_prefix: 'count-' }), { channels: { 'count-c': {} } });
  });

  test('channels: user_count without a presence prefix is 400', async () => {
    assert.equal(await status('/channels', { info: 'user_count' }), 400);
    assert.equal(await status('/channels', { info: 'user_count', filter_by_prefix: 'private-' }), 400);
  });

  test('channel: occupied or not', async (t) => {
    assert.deepEqual(await get('/channels/single'), { occupied: false });
    await occupy(t, ['single']);
    assert.deepEqual(await get('/channels/single'), { occupied: true });
  });

  test('channel: user_count and subscription_count', async (t) => {
    await occupy(t, ['presence-both', 'both'], ['1', '1', '2']);
    assert.deepEqual(await get('/channels/presence-both', { info: 'user_count,subscription_count' }), {
      occupied: true,
      user_count: 2,
      subscription_count: 3,
    });
    assert.deepEqual(await get('/channels/both', { info: 'subscription_count' }), { occupied: true, subscription_count: 3 });
  });

  test('channel: the cached event', async (t) => {
    await occupy(t, ['cache-info']);
    await shared.pusher.trigger('cache-info', 'e', '{"n":1.0}');
    const { occupied, cache } = await get('/channels/cache-info', { info: 'cache' });
    assert.equal(occupied, true);
    assert.equal(cache.data, '{"n":1.0}');
    assert.equal(typeof cache.ttl, 'number');
  });

  test('channel: user_count of a channel that has no users is 400, as is an unknown attribute', async () => {
    assert.equal(await status('/channels/plain', { info: 'user_count' }), 400);
    const refusal = await shared.pusher.get({ path: '/channels/plain', params: { info: 'weather' } }).catch((error) => error);
    assert.equal(refusal.status, 400);
    assert.match(refusal.body, /info should be a comma separated list of attributes/);
  });

  test('users: each user of a presence channel once', async (t) => {
    await occupy(t, ['presence-users'], ['1', '2', '2']);
    const { users } = await get('/channels/presence-users/users');
    assert.deepEqual([...users].sort((a, b) => a.id - b.id), [{ id: '1' }, { id: '2' }]);
  });

  test('users: an empty list for an unoccupied presence channel, 400 for any other kind', async () => {
    assert.deepEqual(await get('/channels/presence-nobody/users'), { users: [] });
    assert.equal(await status('/channels/private-nobody/users'), 400);
    assert.equal(await status('/channels/nobody/users'), 400);
  });

  test('connections: Reverb\'s own count', async (t) => {
    const { connections: before } = await get('/connections');
    await occupy(t, ['counted'], ['1', '2']);
    assert.equal((await get('/connections')).connections, before + 2);
  });
});
