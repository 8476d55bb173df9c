// Owns stock clients over TLS: pusher-js, Echo, the server SDK, curl and openssl, on the port that plain clients use too.
//
// The authority of tests/certificates is trusted by NODE_EXTRA_CA_CERTS, which tests/clients/run sets.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import Echo from 'laravel-echo';
import Pusher from 'pusher-js';
import { APP, Inbox, sdk, startServer, state, subscribed, within } from '../harness.mjs';

const file = (name) => fileURLToPath(new URL(`../../certificates/${name}`, import.meta.url));
const TLS = { certificate: file('valid.pem'), key: file('valid.pem'), sni_certificates: [file('other.pem')], sni_keys: [file('other.pem')] };
const run = promisify(execFile);
const folder = mkdtempSync(join(tmpdir(), 'resound-tls-'));
after(() => rmSync(folder, { recursive: true, force: true }));

/** What the Laravel documentation prescribes for a server with TLS, with one port for both schemes. */
function options(server, forceTLS) {
  return { key: APP.key, wsHost: 'localhost', wsPort: server.port, wssPort: server.port, forceTLS, enabledTransports: ['ws', 'wss'] };
}

/** A connected pusher-js. */
async function client(t, server, forceTLS) {
  const pusher = new Pusher(APP.key, { ...options(server, forceTLS), cluster: '' });
  t.after(() => pusher.disconnect());
  await state(pusher, 'connected');
  return pusher;
}

/** The channel `orders` of a client, subscribed, and what it receives. */
async function orders(pusher) {
  const received = new Inbox('orders');
  const channel = pusher.subscribe('orders');
  channel.bind('e', (data) => received.put(data));
  await subscribed(channel);
  return received;
}

const isEncrypted = (pusher) => new URL(pusher.connection.connection.transport.socket.url).protocol === 'wss:';

/** The output of `openssl s_client` that writes `input` and is done when `until` has appeared. */
async function openssl(server, args, input, until) {
  const child = spawn('openssl', ['s_client', '-connect', `127.0.0.1:${server.port}`, '-CAfile', file('ca.pem'), ...args]);
  let output = '';
  const seen = new Promise((resolve) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (bytes) => {
        output += bytes;
        if (until.test(output)) resolve();
      });
    }
    child.once('close', resolve);
  });
  child.stdin.on('error', () => {});
  child.stdin.write(input);
  await within(seen, () => `${until} in:\n${output}`);
  child.kill();
  assert.match(output, until);
  return output;
}

describe('a port with TLS and plain connections', { concurrency: true }, () => {
  let server;
  before(async () => (server = await startServer({ sections: { tls: TLS } })));
  after(() => server.dispose());

  test('pusher-js over wss and over ws receive what the SDK publishes over https and over http', async (t) => {
    const [encrypted, plain] = await Promise.all([client(t, server, true), client(t, server, false)]);
    assert.deepEqual([isEncrypted(encrypted), isEncrypted(plain)], [true, false]);
    const inboxes = await Promise.all([orders(encrypted), orders(plain)]);
    await sdk(server, { host: 'localhost', useTLS: true }).trigger('orders', 'e', 'over https');
    await sdk(server).trigger('orders', 'e', 'over http');
    const large = 'x'.repeat(90_000);
    await sdk(server, { host: 'localhost', useTLS: true }).trigger('orders', 'e', large);
    for (const inbox of inboxes) assert.deepEqual(await inbox.until(3), ['over https', 'over http', large]);
  });

  test('Echo with the scheme https whispers over wss', async (t) => {
    const received = new Inbox('whispers');
    const authorize = { authorizer: ({ name }) => ({ authorize: (socket, answer) => answer(null, sdk(server).authorizeChannel(socket, name)) }) };
    const [ada, bob] = [0, 1].map(() => new Echo({ ...options(server, true), ...authorize, broadcaster: 'reverb', Pusher }));
    t.after(() => [ada, bob].forEach((echo) => echo.disconnect()));
    const channels = await Promise.all([ada, bob].map((echo) => subscribed(echo.private('room'))));
    channels[1].listenForWhisper('typing', (data) => received.put(data));
    channels[0].whisper('typing', { name: 'Ada' });
    assert.deepEqual(await received.until(1), [{ name: 'Ada' }]);
  });

  for (const version of ['1.2', '1.3']) {
    test(`curl over TLS ${version}`, async () => {
      const flags = ['-sS', '--fail', '--cacert', file('ca.pem'), `--tlsv${version}`, '--tls-max', version];
      const { stdout } = await run('curl', [...flags, '-w', ' %{http_version}', `https://localhost:${server.port}/up`]);
      assert.equal(stdout, '{"health":"OK"} 1.1');
    });

    test(`openssl resumes a session of TLS ${version}, and gets the certificate of the host it names`, async () => {
      const [flag, session] = [`-tls${version.replace('.', '_')}`, join(folder, `session-${version}`)];
      const request = 'GET /up HTTP/1.1\r\nHost: x\r\n\r\n';
      const name = ['-servername', 'other.example', '-verify_hostname', 'a.wild.example', '-verify_return_error'];
      const first = await openssl(server, [flag, ...name, '-sess_out', session], request, /"health":"OK"/);
      assert.match(first, /^New, TLSv1/m);
      assert.match(first, /subject=CN ?= ?other/);
      await openssl(server, [flag, ...name, '-sess_in', session], request, /^Reused, TLSv1[^]*"health":"OK"/m);
    });
  }

  test('TLS 1.1 is refused', async () => {
    await openssl(server, ['-tls1_1', '-cipher', 'ALL@SECLEVEL=0'], '', /alert (handshake failure|protocol version)/);
  });

  test('a renegotiation is refused', async () => {
    // "R" on a line of its own begins one.
    await openssl(server, ['-tls1_2'], 'R\n', /RENEGOTIATING[^]*no renegotiation/);
    assert.equal((await run('curl', ['-sS', `${server.url.replace('127.0.0.1', 'localhost')}/up`, '--cacert', file('ca.pem')])).stdout, '{"health":"OK"}');
  });
});

describe('a port with TLS alone', { concurrency: true }, () => {
  let server;
  before(async () => (server = await startServer({ sections: { tls: { ...TLS, mode: 'required' } } })));
  after(() => server.dispose());

  test('pusher-js without forceTLS changes to wss by itself', async (t) => {
    const pusher = await client(t, server, false);
    assert.equal(isEncrypted(pusher), true);
    const received = await orders(pusher);
    await sdk(server, { host: 'localhost', useTLS: true }).trigger('orders', 'e', 'here');
    assert.deepEqual(await received.until(1), ['here']);
  });

  test('an SDK without TLS gets a sentence', async () => {
    const refused = await sdk(server).trigger('orders', 'e', 'x').then(() => null, (error) => error);
    assert.equal(refused.status, 400);
    assert.match(refused.body, /connect with https:\/\/ and wss:\/\//);
  });
});
