// Owns what the HTTP API refuses, as the npm `pusher` server SDK reports it: status, and a body with the cause.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import { APP, sdk, world } from '../harness.mjs';

// An app that keeps to the limit of hosted Pusher.
const STRICT = { id: '2', key: 'second-key', secret: 'second-secret', max_event_data_bytes: 10_240 };

describe('npm pusher: refusals', () => {
  const shared = world({ apps: [APP, STRICT] });

  /** Fails unless `call` is refused with `status` and a text that matches. */
  async function refused(call, status, text = /\S/) {
    const error = await call.then((answer) => assert.fail(`answered ${answer.status}`), (reason) => reason);
    assert.equal(error.status, status, error.body ?? String(error));
    assert.match(error.body, text);
  }

  /** POSTs a body the SDK itself would refuse to send. */
  const post = (path, body) => shared.pusher.post({ path, body });
  const event = (changes) => ({ name: 'e', channels: ['c'], data: 'x', ...changes });

  test('a wrong secret is 401 with a text', async () => {
    const stranger = sdk(shared.server, { secret: 'wrong' });
    await refused(stranger.trigger('c', 'e', 'x'), 401);
    await refused(stranger.get({ path: '/channels' }), 401);
    await refused(stranger.triggerBatch([{ channel: 'c', name: 'e', data: 'x' }]), 401);
    await refused(stranger.terminateUserConnections('1'), 401);
  });

  test('the key of another app is 401', async () => {
    await refused(sdk(shared.server, { key: STRICT.key, secret: STRICT.secret }).trigger('c', 'e', 'x'), 401);
    await refused(sdk(shared.server, { key: STRICT.key }).trigger('c', 'e', 'x'), 401);
  });

  test('an unknown app is 404 with a text', async () => {
    await refused(sdk(shared.server, { appId: '999' }).trigger('c', 'e', 'x'), 404);
  });

  test('an unknown path is 404', async () => {
    await refused(shared.pusher.get({ path: '/weather' }), 404);
  });

  test('more than a hundred channels are 400', async () => {
    const channels = Array.from({ length: 101 }, (_, n) => `c${n}`);
    await refused(post('/events', event({ channels })), 400);
  });

  test('more than ten events in a batch are 400 "Batch too large"', async () => {
    const batch = Array.from({ length: 11 }, () => ({ channel: 'c', name: 'e', data: 'x' }));
    await refused(shared.pusher.triggerBatch(batch), 400, /Batch too large/);
  });

  test('data above the limit of the app is 413, in a batch with the text SDK tests look for', async () => {
    for (const [client, limit] of [[shared.pusher, 102_400], [sdk(shared.server, { appId: STRICT.id, ...STRICT }), 10_240]]) {
      const data = 'x'.repeat(limit);
      assert.equal(await (await client.trigger('c', 'e', data)).text(), '{}');
      await refused(client.trigger('c', 'e', `${data}x`), 413);
      await refused(client.triggerBatch([{ channel: 'c', name: 'e', data: `${data}x` }]), 413, /content of this event/);
    }
  });

  test('names out of bounds are 400', async () => {
    await refused(post('/events', event({ name: 'n'.repeat(201) })), 400);
    await refused(post('/events', event({ channels: ['c'.repeat(201)] })), 400);
    await refused(post('/events', event({ channels: [''] })), 400);
    await refused(post('/events', event({ channels: ['#private'] })), 400);
  });

  test('what is missing or of the wrong type is 400', async () => {
    for (const change of [{ name: undefined }, { data: undefined }, { channels: undefined }, { channels: [] }, { data: { a: 1 } }]) {
      await refused(post('/events', event(change)), 400);
    }
    await refused(post('/events', event({ socket_id: 'not-a-socket' })), 400);
    await refused(post('/batch_events', { events: [] }), 400);
  });

  test('an unknown attribute in info is 400, in a batch too', async () => {
    const received = /info should be a comma separated list of attributes/;
    await refused(shared.pusher.trigger('c', 'e', 'x', { info: 'subscription_count,weather' }), 400, received);
    await refused(shared.pusher.triggerBatch([{ channel: 'c', name: 'e', data: 'x', info: 'weather' }]), 400, received);
  });

  test('events only the server may send are 400', async () => {
    await refused(post('/events', event({ name: 'pusher:error' })), 400);
    await refused(post('/events', event({ name: 'pusher_internal:member_added' })), 400);
  });

  test('a body changed after signing is 401', async () => {
    const signedFor = { method: 'POST', path: `/apps/${APP.id}/events`, body: JSON.stringify(event()), params: {} };
    const query = shared.pusher.createSignedQueryString(signedFor);
    const send = (body) =>
      fetch(`${shared.server.url}${signedFor.path}?${query}`, { method: 'POST', body, headers: { 'content-type': 'application/json' } });
    assert.equal((await send(signedFor.body)).status, 200);
    const changed = await send(JSON.stringify(event({ data: 'y' })));
    assert.equal(changed.status, 401);
    assert.notEqual(await changed.text(), '');
  });

  test('a request signed an hour ago is 401', async () => {
    const body = JSON.stringify(event());
    const md5 = createHash('md5').update(body).digest('hex');
    const path = `/apps/${APP.id}/events`;
    const query = `auth_key=${APP.key}&auth_timestamp=${Math.floor(Date.now() / 1000) - 3600}&auth_version=1.0&body_md5=${md5}`;
    const signature = shared.pusher.config.token.sign(`POST\n${path}\n${query}`);
    const answer = await fetch(`${shared.server.url}${path}?${query}&auth_signature=${signature}`, { method: 'POST', body });
    assert.equal(answer.status, 401);
  });

  test('a body that is not JSON is 400', async () => {
    const [path, body] = [`/apps/${APP.id}/events`, '{"name":'];
    const query = shared.pusher.createSignedQueryString({ method: 'POST', path, body, params: {} });
    const answer = await fetch(`${shared.server.url}${path}?${query}`, { method: 'POST', body });
    assert.equal(answer.status, 400);
    assert.notEqual(await answer.text(), '');
  });
});
