// Owns stock clients through each proxy that docker/proxies has a file for: events, the HTTP API, silent sockets, clients' addresses,
// a node that is gone.

import assert from 'node:assert/strict';
import { createServer, request } from 'node:http';
import { describe, test } from 'node:test';
import {
  APP, connectEcho, connectPusher, freePort, HOST, Inbox, roundTrip, sdk, startBackend, startServer, statesOf, subscribed, until,
} from '../harness.mjs';
import { PROGRAMS, startProgram } from './programs.mjs';

// Stands for the 60 seconds of the files, and PING for the server's 50.
const SILENCE_SECONDS = 5;
const PING_SECONDS = 1;
const OWN_ADDRESS = '127.0.0.9';
const ANOTHER_ADDRESS = '127.0.0.10';

/** Two servers, which share nothing, and a program in front of the first alone or of both. */
async function startWorld(t, program, { pings = PING_SECONDS, both = false, limits = {} } = {}) {
  const servers = [await startServer({ app: { ping_interval: pings }, sections: { server: limits } })];
  t.after(() => servers[0].dispose());
  if (both) {
    servers.push(await startServer());
    t.after(() => servers[1].dispose());
  }
  const proxy = await startProgram(program, [servers[0], servers[1] ?? { host: HOST, port: await freePort() }], { seconds: SILENCE_SECONDS });
  t.after(() => proxy.stop());
  const backend = await startBackend(proxy);
  t.after(() => backend.stop());
  return { server: proxy, backend, servers };
}

/** The first frame that a WebSocket client with this address reads. */
async function greeting(t, server, localAddress) {
  const headers = { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': 13, 'sec-websocket-key': 'MTIzNDU2Nzg5MDEyMzQ1Ng==' };
  const options = { host: HOST, port: server.port, path: `/app/${APP.key}?protocol=7`, localAddress, headers, agent: false };
  const read = new Inbox('bytes');
  const opening = request(options, (answer) => read.put(`status ${answer.statusCode}`)).on('error', (error) => read.put(String(error)));
  opening.on('upgrade', (_, socket, head) => {
    t.after(() => socket.destroy());
    read.put(head.toString('latin1'));
    socket.on('data', (bytes) => read.put(bytes.toString('latin1')));
  });
  opening.end();
  const pieces = await read.until((all) => /pusher:|status|Error/.test(all.join('')));
  return pieces.join('');
}

describe('behind a proxy', { concurrency: true }, () => {
  for (const [name, program] of Object.entries(PROGRAMS)) {
    describe(`${name}, with the file of docker/proxies`, { concurrency: 4 }, () => {
      test('events on public, private and presence channels arrive, also one of 100 KB', async (t) => {
        const world = await startWorld(t, program);
        const echo = await connectEcho(t, world, '1');
        const got = new Inbox();
        const open = { orders: echo.channel('orders'), 'private-orders': echo.private('orders'), 'presence-orders': echo.join('orders') };
        const sent = [];
        for (const [channel, subscription] of Object.entries(open)) {
          (await subscribed(subscription)).listen('.shipped', got.put);
          sent.push({ channel, text: 'x'.repeat(channel === 'orders' ? 99_000 : 10) });
          await world.backend.pusher.trigger(channel, 'shipped', sent.at(-1));
        }
        assert.deepEqual(await got.until(sent.length), sent);
      });

      test('the API answers and refuses in its own words', async (t) => {
        const { server } = await startWorld(t, program);
        assert.equal((await sdk(server).get({ path: '/channels' })).status, 200);
        const wrong = sdk(server, { secret: 'wrong' });
        await assert.rejects(wrong.trigger('orders', 'shipped', {}), (error) => error.status === 401 && /REVERB_APP_SECRET/.test(error.body));
      });

      test('a silent socket outlives the time-outs, since the server pings before they end it', async (t) => {
        const world = await startWorld(t, program);
        const pusher = await connectPusher(t, world, '1');
        const channel = await subscribed(pusher.subscribe('orders'));
        const [states, got, pings] = [statesOf(pusher), new Inbox(), new Inbox('pings')];
        channel.bind('shipped', got.put);
        pusher.connection.bind('message', ({ event }) => event === 'pusher:ping' && pings.put(event));
        await pings.until(Math.ceil((1.5 * SILENCE_SECONDS) / PING_SECONDS), 60_000);
        await world.backend.pusher.trigger('orders', 'shipped', 1);
        assert.deepEqual(await got.until(1), [1]);
        assert.deepEqual(states.items, []);
      });

      if (program.timeout) {
        test('without pings the proxy ends it: the test above would notice', async (t) => {
          const world = await startWorld(t, program, { pings: 3600 });
          const pusher = await connectPusher(t, world, '1');
          await roundTrip(pusher);
          const states = statesOf(pusher);
          await states.until(1, 60_000);
          assert.equal(states.items[0], 'connecting');
        });
      }

      test("the client's address is the last one of X-Forwarded-For, whatever the client sends there", async (t) => {
        const seen = new Inbox();
        const node = createServer((incoming, answer) => {
          if (incoming.url.startsWith('/apps')) seen.put(incoming.headers['x-forwarded-for']);
          answer.end('{}');
        });
        const port = await freePort();
        await new Promise((ready) => node.listen(port, HOST, ready));
        t.after(() => node.closeAllConnections() ?? node.close());
        const proxy = await startProgram(program, [{ host: HOST, port }, { host: HOST, port: await freePort() }]);
        t.after(() => proxy.stop());
        const headers = { 'x-forwarded-for': '192.0.2.66' };
        const options = { host: HOST, port: proxy.port, path: '/apps/1/channels', localAddress: OWN_ADDRESS, headers, agent: false };
        await new Promise((answered, failed) => request(options, (answer) => answer.resume().on('end', answered)).on('error', failed).end());
        const [addresses] = seen.items;
        assert.equal(addresses.split(/, ?/).at(-1), OWN_ADDRESS);
      });

      test('the server counts sockets by the address that a listed proxy names', async (t) => {
        const limits = { proxies: [HOST], max_sockets_per_address: 1 };
        const { server } = await startWorld(t, program, { limits });
        assert.match(await greeting(t, server, OWN_ADDRESS), /pusher:connection_established/);
        assert.match(await greeting(t, server, OWN_ADDRESS), /"code":4100/);
        assert.match(await greeting(t, server, ANOTHER_ADDRESS), /pusher:connection_established/);
      });

      test('while a node is gone, sockets and triggers go to the other', async (t) => {
        const { server, backend, servers } = await startWorld(t, program, { both: true });
        await servers[0].kill();
        const pusher = await connectPusher(t, { server, backend }, '1');
        const got = new Inbox();
        (await subscribed(pusher.subscribe('orders'))).bind('shipped', got.put);
        const trigger = (number) => backend.pusher.trigger('orders', 'shipped', number);
        if (program.isLate) await until(() => trigger(0).then(() => true, () => false), 'a trigger being accepted');
        for (const number of [1, 2, 3, 4, 5, 6]) await trigger(number);
        const received = await got.until((items) => items.includes(6));
        assert.deepEqual(received.filter(Boolean), [1, 2, 3, 4, 5, 6]);
      });
    });
  }

});
