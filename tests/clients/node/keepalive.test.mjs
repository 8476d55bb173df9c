// Owns silence in Node: stock clients answer the server's pings and stay, and their own pings are answered.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { connectEcho, connectPusher, errorsOf, Inbox, roundTrip, statesOf, subscribed, tap, world } from '../harness.mjs';

const pings = (count) => (frames) => frames.filter((text) => text.includes('"pusher:ping"')).length >= count;

describe('keeping alive', () => {
  const shared = world({ app: { ping_interval: 1, pong_timeout_seconds: 5 } });

  test('a silent client answers the pings of the server and stays connected', async (t) => {
    const frames = tap(t);
    const echo = await connectEcho(t, shared, '1');
    const [states, errors] = [statesOf(echo.connector.pusher), errorsOf(echo.connector.pusher)];
    const got = new Inbox();
    (await subscribed(echo.channel('silence'))).listen('.e', got.put);
    await frames.until(pings(2));
    await roundTrip(echo.connector.pusher);
    await shared.pusher.trigger('silence', 'e', 'still here');
    assert.deepEqual(await got.until(1), ['still here']);
    assert.deepEqual([states.items, errors.items], [[], []]);
  });

  test('pings come after ping_interval of silence, however long a pong may take', async (t) => {
    const frames = tap(t);
    await connectPusher(t, shared);
    // Due after 4 s; one for each pong_timeout_seconds would take 16 s.
    await frames.until(pings(4), 30_000);
  });

  test('a ping of the client is answered with a pong', async (t) => {
    const pusher = await connectPusher(t, shared);
    const frames = new Inbox('messages');
    pusher.connection.bind('message', frames.put);
    await roundTrip(pusher);
    const pong = frames.items.find(({ event }) => event === 'pusher:pong');
    assert.deepEqual(pong, { event: 'pusher:pong', channel: undefined, data: {} });
  });
});
