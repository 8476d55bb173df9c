// Owns what `resound doctor` says of the proxies of docker/proxies: nothing of one that works, else the setting and its file.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { APP, freePort, HOST, startServer } from '../harness.mjs';
import { plainEnvironment } from '../harness/server.mjs';
import { PROGRAMS, startProgram } from './programs.mjs';

/** The findings of the doctor about a server behind a URL: `[id, says, change]` of each. */
async function diagnosed(t, server, url) {
  const folder = mkdtempSync(join(tmpdir(), 'resound-doctor-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'resound.toml');
  const app = `[[apps]]\nid = "${APP.id}"\nkey = "${APP.key}"\nsecret = "${APP.secret}"\n`;
  writeFileSync(file, `[server]\nhost = "${HOST}"\nport = ${server.port}\n${app}`);
  const parameters = ['doctor', '--json', '--config', file, '--url', url, '--nginx', '/nonexistent'];
  const text = await new Promise((resolve) => {
    execFile(process.env.RESOUND_BIN, parameters, { env: plainEnvironment() }, (_, stdout) => resolve(stdout));
  });
  const findings = JSON.parse(text).checks.flatMap(({ id, findings }) => findings.map((one) => ({ id, ...one })));
  return findings.map(({ id, says, change }) => [id, says, change.map((step) => step.text ?? step.command).join('; ')]);
}

async function start(t, options) {
  const server = await startServer(options);
  t.after(() => server.dispose());
  return server;
}

async function before(t, name, server, options) {
  const proxy = await startProgram(PROGRAMS[name], [server, { host: HOST, port: await freePort() }], options);
  t.after(() => proxy.stop());
  return proxy;
}

// Three at once: each measures seconds of silence, for which a machine that runs nine of them has no time.
describe('the doctor in front of a proxy', { concurrency: 3 }, () => {
  for (const name of Object.keys(PROGRAMS)) {
    test(`${name} with the file of docker/proxies has nothing to change`, async (t) => {
      const server = await start(t);
      const proxy = await before(t, name, server);
      assert.deepEqual(await diagnosed(t, server, proxy.url), []);
    });
  }

  const silent = {
    Nginx: 'proxy_read_timeout 60s; for the location of /app in the server block, in /etc/nginx/sites-enabled or /etc/nginx/conf.d',
    Apache: 'Timeout 60 and ProxyTimeout 60 in the VirtualHost, in /etc/apache2/sites-enabled',
    // It adds no field of its own to what the server answers.
    HAProxy: 'timeout tunnel 60s in /etc/haproxy/haproxy.cfg, proxy_read_timeout 60s; in the server block of Nginx, ProxyTimeout 60 in the VirtualHost of Apache',
  };
  for (const [name, change] of Object.entries(silent)) {
    test(`${name} that closes silent sockets`, async (t) => {
      const server = await start(t);
      const proxy = await before(t, name, server, { seconds: 2 });
      const expected = ['R071', 'The proxy closes a socket that is silent for 2.5 s.', change];
      assert.deepEqual(await diagnosed(t, server, proxy.url), [expected]);
    });
  }

  const dead = {
    Nginx: (address) => `proxy_pass http://${address}; in the server block, in /etc/nginx/sites-enabled or /etc/nginx/conf.d`,
    Apache: (address) => `the URL behind ProxyPass to http://${address} in the VirtualHost, in /etc/apache2/sites-enabled`,
    HAProxy: (address) => `the server line of the backend to ${address} in /etc/haproxy/haproxy.cfg`,
  };
  for (const [name, change] of Object.entries(dead)) {
    test(`${name} that leads to a server that is gone`, async (t) => {
      const [server, gone] = [await start(t), await startServer()];
      const proxy = await before(t, name, gone);
      gone.dispose();
      const found = await diagnosed(t, server, proxy.url);
      assert.deepEqual(found.map(([id, , text]) => [id, text]), [['R065', change(`${HOST}:${server.port}`)]]);
      assert.match(found[0][1], /^The proxy answers 50[23].* in the place of the server\.$/);
    });
  }
});
