// Owns private channels in Node: the application's signature opens them, a wrong one is reported and harms nothing else.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { connectEcho, connectPusher, errorsOf, Inbox, roundTrip, subscribed, tap, world } from '../harness.mjs';

describe('private channels', () => {
  const shared = world();

  test('a signed subscription succeeds and receives', async (t) => {
    const echo = await connectEcho(t, shared, '1');
    const got = new Inbox();
    const channel = await subscribed(echo.private('orders.1'));
    channel.listen('OrderShipped', got.put);
    await shared.pusher.trigger('private-orders.1', 'App\\Events\\OrderShipped', { id: 1 });
    assert.deepEqual(await got.until(1), [{ id: 1 }]);
  });

  test('a forged signature fires error() with type AuthError and status 401', async (t) => {
    const echo = await connectEcho(t, shared, '1');
    const refused = new Inbox('error()');
    echo.private('forged.1').error(refused.put);
    const [error] = await refused.until(1);
    assert.equal(error.type, 'AuthError');
    assert.equal(error.status, 401);
    assert.equal(typeof error.error, 'string');
    assert.notEqual(error.error, '');
  });

  test('a forged presence signature fires error() as well', async (t) => {
    const echo = await connectEcho(t, shared, '1');
    const refused = new Inbox('error()');
    echo.join('forged.2').error(refused.put);
    const [error] = await refused.until(1);
    assert.deepEqual([error.type, error.status], ['AuthError', 401]);
  });

  test('bare pusher-js receives pusher:subscription_error and connection error 4009', async (t) => {
    const pusher = await connectPusher(t, shared, '1');
    const refused = new Inbox('pusher:subscription_error');
    const errors = errorsOf(pusher);
    pusher.subscribe('private-forged.3').bind('pusher:subscription_error', refused.put);
    const [error] = await refused.until(1);
    assert.deepEqual([error.type, error.status], ['AuthError', 401]);
    const [{ code }] = await errors.until(1);
    assert.equal(code, 4009);
  });

  test('on the wire the data of pusher:error is an object', async (t) => {
    const frames = tap(t);
    const pusher = await connectPusher(t, shared, '1');
    pusher.subscribe('private-forged.4');
    const found = (items) => items.find((text) => text.includes('"pusher:error"'));
    const { data } = JSON.parse(found(await frames.until(found)));
    assert.equal(typeof data, 'object');
    assert.equal(data.code, 4009);
    assert.equal(typeof data.message, 'string');
  });

  test('after a refusal the connection lives: old and new channels receive', async (t) => {
    const echo = await connectEcho(t, shared, '1');
    const id = echo.socketId();
    const got = new Inbox();
    const listen = async (channel) => (await subscribed(channel)).listen('.e', (data) => got.put([channel.name, data]));
    await listen(echo.private('before'));
    const refused = new Inbox('error()');
    echo.private('forged.5').error(refused.put).listen('.e', (data) => got.put(['forged', data]));
    await refused.until(1);
    await listen(echo.private('after'));
    await shared.pusher.trigger('private-forged.5', 'e', 'not for us');
    await shared.pusher.trigger(['private-before', 'private-after'], 'e', 'x');
    const items = await got.until(2);
    assert.deepEqual([...items].sort(), [['private-after', 'x'], ['private-before', 'x']]);
    assert.equal(echo.socketId(), id);
  });

  test('a signature made for another channel or another socket is refused', async (t) => {
    const ada = await connectPusher(t, shared, '1');
    const bob = await connectPusher(t, shared, '2');
    const errors = errorsOf(bob);
    const sign = (socket, channel) => shared.pusher.authorizeChannel(socket, channel).auth;
    const auths = [
      sign(ada.connection.socket_id, 'private-secret'),
      sign(bob.connection.socket_id, 'private-other'),
      sign(bob.connection.socket_id, 'private-secret').replace('reverb-key', 'other-key'),
      sign(bob.connection.socket_id, 'private-secret').slice(0, -1),
      '',
      undefined,
    ];
    for (const auth of auths) bob.send_event('pusher:subscribe', { channel: 'private-secret', auth });
    await roundTrip(bob);
    assert.deepEqual(errors.items.map(({ code }) => code), auths.map(() => 4009));
    const answer = await (await shared.pusher.get({ path: '/channels/private-secret' })).json();
    assert.equal(answer.occupied, false);
  });

  test('channel_data on a private channel is part of the signature', async (t) => {
    const pusher = await connectPusher(t, shared, '1');
    const { auth, channel_data } = shared.pusher.authorizeChannel(pusher.connection.socket_id, 'private-data', { a: 1 });
    const done = new Inbox('subscription');
    pusher.connection.bind('message', ({ event, channel }) => channel === 'private-data' && done.put(event));
    pusher.send_event('pusher:subscribe', { channel: 'private-data', auth, channel_data });
    assert.deepEqual(await done.until(1), ['pusher_internal:subscription_succeeded']);
  });
});
