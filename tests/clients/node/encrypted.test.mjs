// Owns end-to-end encrypted channels in Node: the server relays what it cannot read, the client decrypts it.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { connectEcho, Inbox, subscribed, tap, world } from '../harness.mjs';

describe('encrypted channels', () => {
  const shared = world();

  test('an event encrypted by the server SDK is decrypted by Echo', async (t) => {
    const echo = await connectEcho(t, shared, '1');
    const got = new Inbox();
    (await subscribed(echo.encryptedPrivate('vault'))).listen('Opened', got.put);
    await shared.pusher.trigger('private-encrypted-vault', 'App\\Events\\Opened', { secret: 'Zoë 🔑', list: [] });
    assert.deepEqual(await got.until(1), [{ secret: 'Zoë 🔑', list: [] }]);
  });

  test('the plain text is never on the wire', async (t) => {
    const frames = tap(t);
    const echo = await connectEcho(t, shared, '1');
    const got = new Inbox();
    (await subscribed(echo.encryptedPrivate('wire'))).listen('.e', got.put);
    await shared.pusher.trigger('private-encrypted-wire', 'e', { secret: 'treasure' });
    await got.until(1);
    const frame = JSON.parse(frames.items.find((text) => text.includes('ciphertext')));
    assert.deepEqual(Object.keys(JSON.parse(frame.data)).sort(), ['ciphertext', 'nonce']);
    assert.ok(!frames.items.join().includes('treasure'));
  });

  test('encrypted events of a batch arrive too', async (t) => {
    const echo = await connectEcho(t, shared, '1');
    const got = new Inbox();
    (await subscribed(echo.encryptedPrivate('batch'))).listen('.e', got.put);
    const channel = 'private-encrypted-batch';
    await shared.pusher.triggerBatch([1, 2].map((n) => ({ channel, name: 'e', data: { n } })));
    assert.deepEqual(await got.until(2), [{ n: 1 }, { n: 2 }]);
  });

  test('a forged signature is refused', async (t) => {
    const echo = await connectEcho(t, shared, '1');
    const refused = new Inbox('error()');
    echo.encryptedPrivate('forged').error(refused.put);
    const [{ type, status }] = await refused.until(1);
    assert.deepEqual([type, status], ['AuthError', 401]);
  });
});
