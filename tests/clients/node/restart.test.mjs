// Owns what stock clients in Node do when the server goes away: killed, or stopped by SIGTERM.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { connectEcho, connectPusher, errorsOf, Inbox, state, statesOf, subscribed } from '../harness.mjs';
import { startBackend, startServer, userInfo } from '../harness.mjs';

// pusher-js waits 15 s before its next attempt when one was refused by the machine; twice that is room enough.
const COMEBACK = 35_000;

/** Every test ends a server, so every test has its own. */
async function ownWorld(t) {
  const server = await startServer();
  const backend = await startBackend(server);
  t.after(async () => {
    await backend.stop();
    await server.dispose();
  });
  return { server, backend, pusher: backend.pusher };
}

/** Echo with a private and a presence channel; all their events go to one inbox. */
async function listener(t, shared, user) {
  const echo = await connectEcho(t, shared, user);
  const received = new Inbox(`user ${user}`);
  const [orders, room] = [echo.private('orders'), echo.join('room')];
  orders.listen('.e', (data) => received.put(['private', data]));
  room.here((users) => received.put(['here', users.map(({ name }) => name)])).listen('.e', (data) => received.put(['presence', data]));
  await Promise.all([subscribed(orders), subscribed(room)]);
  return { echo, received, pusher: echo.connector.pusher, orders, room };
}

/** Proves that `who` is back on both channels: they are subscribed and receive exactly what is published now. */
async function receives(shared, who) {
  await Promise.all([subscribed(who.orders), subscribed(who.room)]);
  const before = who.received.items.length;
  await shared.pusher.trigger('private-orders', 'e', 'again');
  await shared.pusher.trigger('presence-room', 'e', 'again');
  const items = await who.received.until(before + 2);
  assert.deepEqual(items.slice(before), [['private', 'again'], ['presence', 'again']]);
}

describe('a server that goes away', { concurrency: true }, () => {
  test('killed and started again: Echo reconnects, resubscribes private and presence, and receives', async (t) => {
    const shared = await ownWorld(t);
    const ada = await listener(t, shared, '1');
    const id = ada.echo.socketId();
    const states = statesOf(ada.pusher);
    await shared.server.kill();
    await shared.server.start();
    await states.until((names) => names.includes('connected'), COMEBACK);
    assert.equal(states.items.at(-1), 'connected');
    assert.notEqual(ada.echo.socketId(), id);
    await receives(shared, ada);
    assert.deepEqual(ada.received.items.filter(([what]) => what === 'here').at(-1), ['here', [userInfo('1').name]]);
  });

  test('killed twice: the client still comes back', async (t) => {
    const shared = await ownWorld(t);
    const ada = await listener(t, shared, '1');
    for (let round = 0; round < 2; round += 1) {
      const states = statesOf(ada.pusher);
      await shared.server.kill();
      await shared.server.start();
      await states.until((names) => names.includes('connected'), COMEBACK);
      await receives(shared, ada);
    }
  });

  test('after SIGTERM: closes sockets with 4200 and exits 0; started again, the clients are back', async (t) => {
    const shared = await ownWorld(t);
    const ada = await listener(t, shared, '1');
    const idle = await connectPusher(t, shared);
    const clients = [ada.pusher, idle].map((pusher) => ({ pusher, errors: errorsOf(pusher), states: statesOf(pusher) }));
    const ended = await shared.server.stop();
    assert.deepEqual(ended, { code: 0, signal: null });
    for (const { errors } of clients) {
      await errors.until(1);
      assert.equal(errors.items[0].code, 4200, JSON.stringify(errors.items));
    }
    await shared.server.start();
    for (const { states } of clients) await states.until((names) => names.at(-1) === 'connected', COMEBACK);
    await receives(shared, ada);
  });

  test('a client that disconnects itself stays away', async (t) => {
    const shared = await ownWorld(t);
    const gone = await connectPusher(t, shared);
    const ada = await listener(t, shared, '1');
    gone.disconnect();
    const states = statesOf(gone);
    const back = statesOf(ada.pusher);
    await shared.server.kill();
    await shared.server.start();
    await back.until((names) => names.at(-1) === 'connected', COMEBACK);
    assert.deepEqual(states.items, []);
    await state(gone, 'disconnected');
  });
});
