// Owns stock clients through Nginx with the shipped configuration: sockets, HTTP API, large bodies, reasons for refusal.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import Pusher from 'pusher';
import { APP, connectEcho, errorsOf, Inbox, openPusher, startBackend, startServer, subscribed } from '../harness.mjs';
import { startNginx } from './harness.mjs';

describe('behind Nginx', () => {
  const shared = {};
  before(async () => {
    shared.upstream = await startServer();
    shared.server = await startNginx(shared.upstream);
    shared.backend = await startBackend(shared.server);
    shared.pusher = new Pusher({ appId: APP.id, key: APP.key, secret: APP.secret, host: shared.server.host, port: shared.server.port, useTLS: false });
  });
  after(async () => {
    await shared.backend?.stop();
    await shared.server?.stop();
    await shared.upstream?.dispose();
  });

  test('events on public, private and presence channels arrive', async (t) => {
    const echo = await connectEcho(t, shared, '1');
    const got = new Inbox();
    const open = { orders: echo.channel('orders'), 'private-orders': echo.private('orders'), 'presence-orders': echo.join('orders') };
    for (const [name, channel] of Object.entries(open)) {
      (await subscribed(channel)).listen('.shipped', got.put);
      await shared.pusher.trigger(name, 'shipped', { name });
    }
    assert.deepEqual(await got.until(3), Object.keys(open).map((name) => ({ name })));
  });

  test('an event of 100 KB passes', async (t) => {
    const echo = await connectEcho(t, shared, '1');
    const got = new Inbox();
    (await subscribed(echo.channel('large'))).listen('.large', got.put);
    const text = 'x'.repeat(100_000);
    await shared.pusher.trigger('large', 'large', text);
    assert.deepEqual(await got.until(1), [text]);
  });

  test('the API answers and refuses in its own words', async () => {
    const channels = await shared.pusher.get({ path: '/channels' });
    assert.equal(channels.status, 200);
    const wrong = new Pusher({ appId: APP.id, key: APP.key, secret: 'wrong', host: shared.server.host, port: shared.server.port, useTLS: false });
    await assert.rejects(wrong.trigger('orders', 'shipped', {}), (error) => error.status === 401 && /REVERB_APP_SECRET/.test(error.body));
  });

  test('a wrong key is answered with an error, not dropped', async (t) => {
    const pusher = openPusher(t, shared, '1', { key: 'wrong-key' });
    const errors = errorsOf(pusher);
    assert.equal((await errors.until(1))[0].code, 4001);
  });
});
