// Owns publishing with the npm `pusher` server SDK: trigger and triggerBatch, what they answer and who receives.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { connectPusher, Inbox, sdk, signedIn, subscribed, world } from '../harness.mjs';

const text = async (answer) => (await answer).text();
const json = async (answer) => JSON.parse(await text(answer));

describe('npm pusher: publishing', () => {
  const shared = world();

  /** A client on all `names`; `[channel, event, data]` of what it receives. */
  async function listener(t, names, user = '1') {
    const pusher = await connectPusher(t, shared, user);
    const got = new Inbox(`user ${user}`);
    for (const name of names) {
      const channel = await subscribed(pusher.subscribe(name));
      channel.bind_global((event, data) => event.startsWith('pusher:') || got.put([name, event, data]));
    }
    return { pusher, got };
  }

  test('trigger answers exactly {}', async () => {
    assert.equal(await text(shared.pusher.trigger('nobody', 'e', { a: 1 })), '{}');
    assert.equal(await text(shared.pusher.trigger(['nobody', 'private-nobody'], 'e', { a: 1 })), '{}');
  });

  test('triggerBatch without info answers exactly {}', async () => {
    const batch = [{ channel: 'nobody', name: 'e', data: 1 }, { channel: 'private-nobody', name: 'e', data: 2 }];
    assert.equal(await text(shared.pusher.triggerBatch(batch)), '{}');
  });

  test('socket_id keeps the event from that socket only', async (t) => {
    const ada = await listener(t, ['except']);
    const bob = await listener(t, ['except'], '2');
    await shared.pusher.trigger('except', 'e', 'others', { socket_id: ada.pusher.connection.socket_id });
    await shared.pusher.trigger('except', 'e', 'all');
    assert.deepEqual(await bob.got.until(2), [['except', 'e', 'others'], ['except', 'e', 'all']]);
    assert.deepEqual(await ada.got.until(1), [['except', 'e', 'all']]);
  });

  test('socket_id of a batch item keeps that item only', async (t) => {
    const ada = await listener(t, ['batch-a', 'batch-b']);
    const socket_id = ada.pusher.connection.socket_id;
    await shared.pusher.triggerBatch([
      { channel: 'batch-a', name: 'e', data: 1, socket_id },
      { channel: 'batch-b', name: 'e', data: 2 },
      { channel: 'batch-a', name: 'e', data: 3 },
    ]);
    assert.deepEqual(await ada.got.until(2), [['batch-b', 'e', 2], ['batch-a', 'e', 3]]);
  });

  test('a hundred channels in one trigger are served', async (t) => {
    const names = Array.from({ length: 100 }, (_, n) => `wide-${n}`);
    const { got } = await listener(t, ['wide-0', 'wide-99']);
    assert.equal(await text(shared.pusher.trigger(names, 'e', 'x')), '{}');
    const items = await got.until(2);
    assert.deepEqual([...items].sort(), [['wide-0', 'e', 'x'], ['wide-99', 'e', 'x']]);
  });

  test('info tells the counts of occupied channels', async (t) => {
    await listener(t, ['info-public', 'presence-info']);
    await listener(t, ['presence-info']);
    const info = 'subscription_count,user_count';
    assert.deepEqual(await json(shared.pusher.trigger('presence-info', 'e', 'x', { info })), {
      channels: { 'presence-info': { subscription_count: 2, user_count: 1 } },
    });
    assert.deepEqual(await json(shared.pusher.trigger(['info-public', 'info-empty'], 'e', 'x', { info: 'subscription_count' })), {
      channels: { 'info-public': { subscription_count: 1 }, 'info-empty': { subscription_count: 0 } },
    });
    assert.deepEqual(await json(shared.pusher.trigger(['info-public', 'presence-info'], 'e', 'x', { info })), {
      channels: { 'info-public': { subscription_count: 1 }, 'presence-info': { subscription_count: 2, user_count: 1 } },
    });
  });

  test('info tells zeros of unoccupied channels, in a batch too', async () => {
    const info = 'subscription_count,user_count';
    assert.deepEqual(await json(shared.pusher.trigger('presence-void', 'e', 'x', { info })), {
      channels: { 'presence-void': { subscription_count: 0, user_count: 0 } },
    });
    const batch = ['presence-void', 'void'].map((channel) => ({ channel, name: 'e', data: 1, info }));
    assert.deepEqual(await json(shared.pusher.triggerBatch(batch)), {
      batch: [{ subscription_count: 0, user_count: 0 }, { subscription_count: 0 }],
    });
  });

  test('info counts signed-in users that joined without channel_data like any other', async (t) => {
    const pusher = await signedIn(await connectPusher(t, shared, '1'));
    await subscribed(pusher.subscribe('presence-bare-info'));
    await subscribed(pusher.subscribe('private-info'));
    const info = 'user_count,subscription_count';
    assert.deepEqual(await json(shared.pusher.trigger(['presence-bare-info', 'private-info'], 'e', 'x', { info })), {
      channels: { 'presence-bare-info': { subscription_count: 1, user_count: 1 }, 'private-info': { subscription_count: 1 } },
    });
  });

  test('triggerBatch with info answers a list in the order of the items', async (t) => {
    await listener(t, ['listed', 'presence-listed']);
    const batch = [
      { channel: 'listed', name: 'e', data: 1, info: 'subscription_count' },
      { channel: 'listed', name: 'e', data: 2 },
      { channel: 'presence-listed', name: 'e', data: 3, info: 'user_count' },
      { channel: 'presence-listed', name: 'e', data: 4, info: 'user_count,subscription_count' },
    ];
    assert.deepEqual(await json(shared.pusher.triggerBatch(batch)), {
      batch: [{ subscription_count: 1 }, {}, { user_count: 1 }, { user_count: 1, subscription_count: 1 }],
    });
  });

  test('a batch is delivered in the order of its items', async (t) => {
    const { got } = await listener(t, ['ordered-a', 'ordered-b']);
    const items = Array.from({ length: 10 }, (_, n) => ({ channel: n % 2 ? 'ordered-a' : 'ordered-b', name: 'e', data: n }));
    await shared.pusher.triggerBatch(items.map((item) => ({ ...item })));
    assert.deepEqual(await got.until(10), items.map(({ channel, name, data }) => [channel, name, data]));
  });

  test('ten events of 10240 bytes fit in a batch', async (t) => {
    const { got } = await listener(t, ['heavy']);
    const data = '"'.repeat(10_240);
    const batch = Array.from({ length: 10 }, () => ({ channel: 'heavy', name: 'e', data }));
    assert.equal(await text(shared.pusher.triggerBatch(batch)), '{}');
    const items = await got.until(10);
    assert.ok(items.every(([, , received]) => received === data));
  });

  test('a numeric app id, as SDKs make from a URL, names the same app', async () => {
    const numeric = sdk(shared.server, { appId: 123456 });
    assert.equal(await text(numeric.trigger('nobody', 'e', 'x')), '{}');
  });

  test('many triggers at once are all answered and all arrive', async (t) => {
    const { got } = await listener(t, ['parallel']);
    const numbers = Array.from({ length: 50 }, (_, n) => n);
    const answers = await Promise.all(numbers.map((n) => text(shared.pusher.trigger('parallel', 'e', n))));
    assert.deepEqual([...new Set(answers)], ['{}']);
    const items = await got.until(50);
    assert.deepEqual(items.map(([, , n]) => n).sort((a, b) => a - b), numbers);
  });
});
