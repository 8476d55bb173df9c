// Owns what a server learns through proxies, and what proxies do to requests: addresses of clients, handshakes without Upgrade, slashes too
// many, unix sockets; with stock clients.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { connectPusher, freePort, HOST, Inbox, openPusher, sdk, startBackend, startServer, subscribed, until } from '../harness.mjs';
import { startHaproxy } from './haproxy.mjs';
import { startNginx } from './harness.mjs';

const OWN_ADDRESS = '127.0.0.9';
const UPGRADE = 'proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";';

/** A site of Nginx that passes everything on with these lines; `path` stands behind the address of the server. */
const site = (lines, { path = '', upstream } = {}) => (port, [server]) =>
  `server { listen ${HOST}:${port}; location / { ${lines} proxy_pass http://${upstream ?? `${server.host}:${server.port}`}${path}; } }`;

/** Each way of naming the client: the keys of the server, and from it to a proxy. */
const WAYS = {
  'HAProxy with send-proxy': [{ proxy_protocol: 'auto' }, (server) => startHaproxy(server, { mode: 'tcp', options: 'send-proxy' })],
  'HAProxy with send-proxy-v2': [{ proxy_protocol: 'auto' }, (server) => startHaproxy(server, { mode: 'tcp', options: 'send-proxy-v2' })],
  'HAProxy with send-proxy-v2 in http mode': [{ proxy_protocol: 'auto' }, (server) => startHaproxy(server, { options: 'send-proxy-v2' })],
  'HAProxy with option forwardfor': [{}, (server) => startHaproxy(server, { defaults: 'option forwardfor' })],
  'Nginx with X-Forwarded-For': [{}, (server) => startNginx(server, { site: site(`${UPGRADE} proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;`) })],
  'Nginx with X-Real-IP': [
    { forwarded_header: 'x-real-ip' },
    (server) => startNginx(server, { site: site(`${UPGRADE} proxy_set_header X-Real-IP $remote_addr;`) }),
  ],
};

async function startWorld(t, keys, start) {
  const upstream = await startServer({ sections: { server: keys } });
  t.after(() => upstream.dispose());
  const server = await start(upstream);
  t.after(() => server.stop());
  const backend = await startBackend(server);
  t.after(() => backend.stop());
  return { upstream, server, backend };
}

/** One event from the SDK of a back end to pusher-js, both through the proxy. */
async function passesEvents(t, world) {
  const pusher = await connectPusher(t, world, '1');
  const got = new Inbox();
  (await subscribed(pusher.subscribe('private-orders'))).bind('shipped', got.put);
  await sdk(world.server).trigger('private-orders', 'shipped', { number: 1 });
  assert.deepEqual(await got.until(1), [{ number: 1 }]);
}

/** A socket from another address, at a path that is refused and logged. */
function knock(server) {
  const headers = {
    connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': 13, 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
    'x-forwarded-for': '192.0.2.66', 'x-real-ip': '192.0.2.66',
  };
  const asked = request({ host: server.host, port: server.port, path: '/lost', localAddress: OWN_ADDRESS, headers, agent: false });
  return new Promise((upgraded, failed) => asked.on('upgrade', (_, socket) => upgraded(socket.destroy())).on('error', failed).end());
}

describe('a server learns the address of a client', { concurrency: 3 }, () => {
  for (const [name, [keys, start]] of Object.entries(WAYS)) {
    test(`from ${name}`, async (t) => {
      const world = await startWorld(t, { proxies: ['127.0.0.1'], ...keys }, start);
      await passesEvents(t, world);
      await knock(world.server);
      const line = /reason="path" peer=127\.0\.0\.9 through 127\.0\.0\.1:/;
      await until(() => line.test(world.upstream.log), () => `the address of the client in\n${world.upstream.log}`);
    });
  }

  test('but from no proxy that is not listed', async (t) => {
    const world = await startWorld(t, { proxies: ['192.0.2.0/24'] }, WAYS['HAProxy with option forwardfor'][1]);
    await knock(world.server);
    await until(() => /reason="path" peer=127\.0\.0\.1:/.test(world.upstream.log), () => `the address of the proxy in\n${world.upstream.log}`);
  });
});

test('behind Nginx, over a unix socket', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'resound-socket-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const [path, port] = [join(folder, 'resound.sock'), await freePort()];
  const upstream = await startServer({ port, sections: { server: { listen: [`${HOST}:${port}`, `unix:${path}?mode=0666`], proxies: ['unix'] } } });
  t.after(() => upstream.dispose());
  const lines = `${UPGRADE} proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;`;
  const server = await startNginx(upstream, { site: site(lines, { upstream: `unix:${path}:` }) });
  t.after(() => server.stop());
  const backend = await startBackend(server);
  t.after(() => backend.stop());
  await passesEvents(t, { server, backend });
  await knock(server);
  await until(() => /peer=127\.0\.0\.9 through unix/.test(upstream.log), () => `the address of the client in\n${upstream.log}`);
});

test('a proxy that drops Upgrade is named in the log, with the setting', async (t) => {
  const world = await startWorld(t, {}, (server) => startNginx(server, { site: site('') }));
  openPusher(t, world, '1');
  await until(() => world.upstream.log.includes('reason="no_upgrade"'), () => `the reason in\n${world.upstream.log}`);
  assert.match(world.upstream.log, /proxy_set_header Upgrade \$http_upgrade/);
});

describe('a slash that a proxy adds changes nothing', () => {
  test('at the beginning of a path', async (t) => {
    await passesEvents(t, await startWorld(t, {}, (server) => startNginx(server, { site: site(UPGRADE, { path: '//' }) })));
  });

  test('at its end', async (t) => {
    const lines = `${UPGRADE} rewrite ^/(.*[^/])$ /$1/ break;`;
    await passesEvents(t, await startWorld(t, {}, (server) => startNginx(server, { site: site(lines) })));
  });
});
