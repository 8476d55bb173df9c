// Owns `resound bench` and `resound trigger` through Nginx that ends TLS, also where it offers HTTP/2.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { APP, freePort, HOST, plainEnvironment, startServer } from '../harness/server.mjs';
import { startNginx } from './harness.mjs';

const certificates = fileURLToPath(new URL('../../certificates/', import.meta.url));
const CREDENTIALS = ['--app-id', APP.id, '--key', APP.key, '--secret', APP.secret];
const LOAD = ['--connections', '50', '--events', '40', '--warm-up', '0', '--rate', '200', '--kind', 'private', '--json'];

/** A site with two listeners, one of them with TLS and HTTP/2, and a prefix. */
const site = (tlsPort) => (port, [server]) => `server {
  listen ${HOST}:${port};
  listen ${HOST}:${tlsPort} ssl http2;
  ssl_certificate ${certificates}valid.pem;
  ssl_certificate_key ${certificates}valid.pem;
  location /up { proxy_pass http://${server.host}:${server.port}; }
  location /ws/ {
    proxy_http_version 1.1;
    proxy_set_header Host $http_host;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection "upgrade";
    proxy_pass http://${server.host}:${server.port}/;
  }
}`;

test('resound bench measures what Nginx serves over TLS', async (t) => {
  const upstream = await startServer();
  t.after(() => upstream.dispose());
  const tlsPort = await freePort();
  const nginx = await startNginx(upstream, { site: site(tlsPort) });
  t.after(() => nginx.stop());
  const url = `https://localhost:${tlsPort}/ws`;
  const run = (...flags) => promisify(execFile)(process.env.RESOUND_BIN, ['bench', '--url', url, ...flags], { env: plainEnvironment() });
  for (const trust of [['--ca-file', `${certificates}ca.pem`], ['--insecure']]) {
    const figures = JSON.parse((await run(...trust, ...CREDENTIALS, ...LOAD)).stdout);
    assert.deepEqual(figures.targets, [url]);
    const { expected, delivered, lost, disordered, unanswered, errors } = figures;
    assert.deepEqual({ expected, delivered, lost, disordered, unanswered, errors }, { expected: 2000, delivered: 2000, lost: 0, disordered: 0, unanswered: 0, errors: 0 });
  }
  const untrusted = await run(...CREDENTIALS, ...LOAD).then(() => null, (failure) => failure);
  assert.equal(untrusted.code, 1);
  assert.equal(
    untrusted.stderr,
    `error: ${url} cannot be reached: its certificate was issued by an authority that is not trusted; name its authority with --ca-file, or accept it with --insecure\n`,
  );
});
