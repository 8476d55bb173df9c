// Owns connections the server refuses, in Node: which code the client is given, and whether it comes back by itself.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { APP, connectEcho, connectPusher, errorsOf, Inbox, openEcho, openPusher, state, statesOf, world } from '../harness.mjs';

const SMALL = { id: '2', key: 'small-key', secret: 'small-secret', max_connections: 1 };

describe('refused connections', () => {
  const shared = world({ apps: [APP, SMALL] });

  /** Counts how often the client waits to try again. */
  function retriesOf(pusher) {
    const inbox = new Inbox('retries');
    pusher.connection.bind('connecting_in', inbox.put);
    return inbox;
  }

  for (const [client, open] of Object.entries({ 'pusher-js': openPusher, Echo: openEcho })) {
    test(`${client} with an unknown key receives 4001, gives up and does not try again`, async (t) => {
      const opened = open(t, shared, '1', { key: 'no-such-key' });
      const pusher = opened.connector?.pusher ?? opened;
      const [errors, states, retries] = [errorsOf(pusher), statesOf(pusher), retriesOf(pusher)];
      await state(pusher, 'disconnected');
      assert.deepEqual(errors.items.map(({ code }) => code), [4001]);
      assert.match(errors.items[0].message, /application/i);

      // A client that does retry, after a second: had the first one a timer of its own, it would have fired by then.
      await connectPusher(t, shared, '1', { key: SMALL.key });
      const waiting = openPusher(t, shared, '1', { key: SMALL.key });
      await retriesOf(waiting).until(2);
      assert.deepEqual(states.items.filter((name) => name !== 'connecting'), ['disconnected']);
      assert.deepEqual(retries.items, []);
      assert.equal(pusher.connection.state, 'disconnected');
    });
  }

  test('over the connection limit the client receives 4100, keeps trying, and gets in when another leaves', async (t) => {
    const first = await connectPusher(t, shared, '1', { key: SMALL.key });
    const second = openPusher(t, shared, '2', { key: SMALL.key });
    const [errors, retries] = [errorsOf(second), retriesOf(second)];
    await retries.until(2);
    assert.notEqual(second.connection.state, 'connected');
    assert.deepEqual([...new Set(errors.items.map(({ code }) => code))], [4100]);
    first.disconnect();
    await state(second, 'connected');
  });

  test('the limit of one app does not concern another', async (t) => {
    await connectPusher(t, shared, '1', { key: SMALL.key });
    const echoes = [await connectEcho(t, shared, '1'), await connectEcho(t, shared, '2')];
    for (const echo of echoes) assert.equal(echo.connectionStatus(), 'connected');
  });
});
