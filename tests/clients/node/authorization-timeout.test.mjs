// Owns authorization_timeout_seconds in Node: connections that prove nothing in time are closed, those that did stay.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { closes, connectPusher, errorsOf, roundTrip, signedIn, state, statesOf, subscribed, world } from '../harness.mjs';

const SECOND = 1000;

/** Opens a connection that proves nothing and waits until it is closed for that: the time of every connection before it has passed, too. */
async function timeRunsOut(t, shared) {
  const closed = closes(t);
  const idle = await connectPusher(t, shared, '1');
  await state(idle, 'disconnected');
  return { idle, code: (await closed.until(1))[0] };
}

describe('authorization_timeout_seconds', () => {
  const shared = world({ app: { authorization_timeout_seconds: 1 } });

  test('closes a connection that does nothing with 4009, not before the time, and it stays away', async (t) => {
    const closed = closes(t);
    const began = Date.now();
    const pusher = await connectPusher(t, shared, '1');
    const [errors, states] = [errorsOf(pusher), statesOf(pusher)];
    await state(pusher, 'disconnected');
    assert.ok(Date.now() - began >= SECOND - 50, `closed after ${Date.now() - began} ms`);
    assert.deepEqual(await closed.until(1), [4009]);
    assert.deepEqual([...new Set(errors.items.map(({ code }) => code))], [4009]);
    assert.deepEqual(states.items, ['disconnected']);
  });

  test('public channels, pings and refused subscriptions prove nothing', async (t) => {
    const closed = closes(t);
    const pusher = await connectPusher(t, shared, '1');
    await subscribed(pusher.subscribe('public'));
    await assert.rejects(subscribed(pusher.subscribe('private-forged')));
    await roundTrip(pusher);
    await state(pusher, 'disconnected');
    assert.deepEqual(await closed.until(1), [4009]);
  });

  const PROOFS = {
    'that joins a private channel': (pusher) => subscribed(pusher.subscribe('private-chat')),
    'that joins a presence channel': (pusher) => subscribed(pusher.subscribe('presence-room')),
    'that signs in': signedIn,
  };
  for (const [what, prove] of Object.entries(PROOFS)) {
    test(`a connection ${what} stays`, async (t) => {
      const pusher = await connectPusher(t, shared, '1');
      const states = statesOf(pusher);
      await prove(pusher);
      assert.equal((await timeRunsOut(t, shared)).code, 4009);
      await roundTrip(pusher);
      assert.deepEqual(states.items, []);
    });
  }

  test('a connection that leaves its private channel again stays', async (t) => {
    const pusher = await connectPusher(t, shared, '1');
    await subscribed(pusher.subscribe('private-chat'));
    pusher.unsubscribe('private-chat');
    await timeRunsOut(t, shared);
    await roundTrip(pusher);
    assert.equal(pusher.connection.state, 'connected');
  });
});
