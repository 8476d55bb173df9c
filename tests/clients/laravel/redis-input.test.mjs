// Owns a publisher in PHP beside both inputs: what Laravel broadcasts with curl over HTTP and with phpredis through Redis reaches stock
// clients byte for byte alike.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Application, freePort, Inbox, reverbEnv, roundTrip, startRedis, state, subscribed, tap } from '../harness.mjs';

const ALL = ['Channel:orders', 'PrivateChannel:orders.1', 'PresenceChannel:room'];
const NAMES = ['orders', 'private-orders.1', 'presence-room'];

describe('what Laravel broadcasts', () => {
  const shared = {};

  before(async () => {
    const port = await freePort();
    shared.redis = await startRedis();
    shared.application = new Application(reverbEnv(port).replace('REDIS_PORT=6379', `REDIS_PORT=${shared.redis.port}`));
    shared.application.configure('[[laravel_redis]]\nprefix = "laravel-database-"\n');
    shared.server = await shared.application.serve(port, { arguments: ['--config', 'resound.toml'] });
    shared.sdk = shared.application.sdk(shared.server);
  });
  after(async () => {
    await shared.application?.dispose();
    await shared.redis?.dispose();
  });

  /** A client, subscribed to all channels, and the frames that it reads from then on. */
  async function client(t, user) {
    const frames = tap(t);
    const customHandler = ({ socketId, channelName }, answer) => {
      const member = channelName.startsWith('presence-') ? { user_id: user } : undefined;
      answer(null, shared.sdk.authorizeChannel(socketId, channelName, member));
    };
    const pusher = shared.application.pusher(t, { channelAuthorization: { customHandler } });
    await state(pusher, 'connected');
    for (const name of NAMES) await subscribed(pusher.subscribe(name));
    await roundTrip(pusher);
    return { pusher, frames };
  }

  test('is the same over HTTP and through Redis, to the byte', async (t) => {
    const { pusher, frames } = await client(t, 'ann');
    const got = new Inbox('events');
    pusher.bind_global((name, data) => name.startsWith('App') && got.put(data));
    const events = [
      { event: 'CapacityChanged', on: ALL },
      { event: 'ServerUpdated', on: ['Channel:orders'], socket: '1.2' },
    ];
    const since = async (connection) => {
      const [before, seen] = [frames.items.length, got.items.length];
      await shared.application.broadcast(events, { connection });
      await got.until(seen + 4);
      return frames.items.slice(before);
    };
    const [http, redis] = [await since('reverb'), await since('redis')];
    assert.deepEqual(redis, http);
    const data = String.raw`"{\"capacity\":85,\"name\":\"Zo\\u00eb \\u2603 \\\"q\\\" \\\\ <\\/script> \\ud83d\\ude00\"}"`;
    const frame = (event, channel) => `{"event":"App\\\\Events\\\\${event}","data":${data},"channel":"${channel}"}`;
    const changed = NAMES.map((name) => frame('CapacityChanged', name));
    assert.deepEqual(http, [...changed, frame('ServerUpdated', 'orders')]);
    const expected = { capacity: 85, name: 'Zoë ☃ "q" \\ </script> 😀' };
    assert.deepEqual(got.items, Array(8).fill(expected));
  });

  test('leaves out the socket of toOthers() either way', async (t) => {
    const [sender, other] = [await client(t, 'ann'), await client(t, 'bob')];
    const got = new Inbox('events');
    sender.pusher.channel('orders').bind('App\\Events\\ServerUpdated', () => got.put('sender'));
    other.pusher.channel('orders').bind('App\\Events\\ServerUpdated', () => got.put('other'));
    const socket = sender.pusher.connection.socket_id;
    for (const connection of ['reverb', 'redis']) {
      await shared.application.broadcast([{ event: 'ServerUpdated', on: ['Channel:orders'], socket }], { connection });
    }
    await got.until(2);
    await roundTrip(sender.pusher);
    assert.deepEqual(got.items, ['other', 'other']);
  });
});
