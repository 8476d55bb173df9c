// Owns the race for an idle connection between a proxy and the server: a publish is lost if the server closes first.
//
// The way between the two takes a while here, as between two machines that are far apart, so that every publish which can meet the
// end of a connection does. Seconds stand for the minutes of the defaults.

import assert from 'node:assert/strict';
import { connect, createServer } from 'node:net';
import { describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { freePort, HOST } from '../harness/server.mjs';
import { sdk, startServer } from '../harness.mjs';
import { startHaproxy } from './haproxy.mjs';
import { startNginx } from './harness.mjs';

const SERVER_MS = 2000;
// One way.
const FAR_MS = 60;
// Each keeps a connection of its own.
const PUBLISHERS = 8;

function keepsAlive(seconds) {
  return (port, [server]) => `
    upstream nodes {
      server ${server.host}:${server.port} max_fails=0;
      keepalive ${PUBLISHERS};
      keepalive_timeout ${seconds}s;
    }
    server {
      listen 127.0.0.1:${port};
      location / {
        proxy_pass http://nodes;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
      }
    }`;
}

const PROXIES = {
  Nginx: (server, keepAliveMs) => startNginx(server, { site: keepsAlive(keepAliveMs / 1000) }),
  // It halves its idle connections at each purge, so all are gone after some.
  HAProxy: (server, keepAliveMs) => startHaproxy(server, { purgeMs: keepAliveMs / 10 }),
};

/** The server at the end of a line that delays everything, ends of connections included. */
async function farAway(t, server) {
  const line = createServer({ allowHalfOpen: true }, (near) => {
    const far = connect({ port: server.port, host: HOST, allowHalfOpen: true });
    for (const [one, other] of [[near, far], [far, near]]) {
      const later = (what) => setTimeout(() => other.destroyed || what(), FAR_MS);
      one.setNoDelay(true);
      one.on('data', (bytes) => later(() => other.write(bytes)));
      one.on('end', () => later(() => other.end()));
      one.on('error', () => later(() => other.resetAndDestroy()));
    }
  });
  const port = await freePort();
  await new Promise((ready) => line.listen(port, HOST, ready));
  t.after(() => line.close());
  return { host: HOST, port };
}

/** How many publishes fail that are sent when the connections have been idle for the server's idle time, or for the proxy's. */
async function failures(t, startProxy, proxyMs) {
  const server = await startServer({ sections: { http: { idle_timeout_seconds: SERVER_MS / 1000 } } });
  t.after(() => server.dispose());
  const proxy = await startProxy(await farAway(t, server), proxyMs);
  t.after(() => proxy.stop());
  const pusher = sdk(proxy);
  const publish = () => pusher.trigger('orders', 'e', {}).then(() => 0, () => 1);
  const publishAll = async () => (await Promise.all(Array.from({ length: PUBLISHERS }, publish))).reduce((sum, one) => sum + one);
  let failed = await publishAll();
  // The server counts from when its answer left, one way ago, and a request needs one way: it closes as these arrive.
  for (const idle of [SERVER_MS - FAR_MS, proxyMs, SERVER_MS - 1.5 * FAR_MS]) {
    if (idle > SERVER_MS) continue;
    await pause(idle - FAR_MS / 2);
    failed += await publishAll();
  }
  return failed;
}

describe('an idle connection between a proxy and the server', { concurrency: true }, () => {
  for (const [name, start] of Object.entries(PROXIES)) {
    test(`${name} closes it first, as with the defaults: no publish is lost`, async (t) => {
      assert.equal(await failures(t, start, SERVER_MS / 2), 0);
    });

    test(`the server closes it before ${name} does: publishes are lost`, async (t) => {
      assert.ok((await failures(t, start, 100 * SERVER_MS)) > 0, 'the other test would show a loss');
    });
  }
});
