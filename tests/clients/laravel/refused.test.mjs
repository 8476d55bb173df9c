// Owns auth endpoints that sign what the server cannot accept: a stock Echo is refused with what Pusher's clients expect, and the operator
// gets the reason in the log and in `resound explain`.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { Application, ask, freePort, HOST, Inbox, logged, reverbEnv, state, subscribed } from '../harness.mjs';

const STAGING = { id: '2', key: 'key-of-staging', secret: 'secret-of-staging' };
const OWN = { key: 'ouzwhumntj5sfewqmkqr', secret: 'w7a9ie3vxbz0cnlz1zvg' };
const fingerprint = (secret) => `sha256:${createHash('sha256').update(secret).digest('hex').slice(0, 8)}`;

/** An auth endpoint on a port of its own: `sign` answers its form. */
async function startEndpoint(sign) {
  const http = createServer(async (request, response) => {
    let body = '';
    for await (const bytes of request) body += bytes;
    response.writeHead(200, { 'content-type': 'application/json', 'access-control-allow-origin': '*' });
    response.end(JSON.stringify(sign(Object.fromEntries(new URLSearchParams(body)))));
  });
  await new Promise((ready) => http.listen(0, HOST, ready));
  const stop = () => {
    http.closeAllConnections();
    http.close();
  };
  return { url: `http://${HOST}:${http.address().port}/broadcasting/auth`, stop };
}

describe('an auth endpoint whose signature is not accepted', () => {
  const shared = {};

  before(async () => {
    const port = await freePort();
    shared.application = new Application(reverbEnv(port));
    shared.application.configure(`[[apps]]\n${Object.entries(STAGING).map(([key, value]) => `${key} = "${value}"\n`).join('')}`);
    shared.server = await shared.application.serve(port, { arguments: ['--config', 'resound.toml', '--log-format', 'json'] });
  });
  after(() => shared.application?.dispose());

  /** An Echo of this endpoint, connected. */
  async function page(t, sign) {
    const endpoint = await startEndpoint(sign);
    t.after(endpoint.stop);
    const echo = shared.application.echo(t, { authEndpoint: endpoint.url });
    await state(echo.connector.pusher, 'connected');
    return echo;
  }

  /** Echo is refused a channel; the log and the command have this reason and this sentence, and the page neither. */
  async function check(channel, echoChannel, socket, reason, sentence) {
    await checkExplained(channel, echoChannel, socket, sentence);
    const lines = await logged(shared.server, 'subscription refused', socket);
    assert.deepEqual(lines.map((line) => [line.channel, line.reason, line.because]), [[channel, reason, sentence]]);
  }

  /** The same without the log, which has one line for all refusals with one reason. */
  async function checkExplained(channel, echoChannel, socket, sentence) {
    const refused = new Inbox('error()');
    echoChannel.error(refused.put);
    const [error] = await refused.until(1);
    assert.deepEqual([error.type, error.status], ['AuthError', 401]);
    assert.ok(!JSON.stringify(error).includes(sentence));
    const shown = await ask(shared.server, 'explain', channel, '--app', '256980');
    assert.ok(shown.includes(`the subscription of socket ${socket} was refused: ${sentence}\n`), shown);
    for (const { secret } of [OWN, STAGING]) assert.ok(!shown.includes(secret) && !shared.server.log.includes(secret));
  }

  const signer = (options) => shared.application.sdk(shared.server, options);

  test('has the secret of another app', async (t) => {
    const staging = signer({ secret: STAGING.secret });
    const echo = await page(t, ({ socket_id, channel_name }) => staging.authorizeChannel(socket_id, channel_name));
    const [theirs, ours] = [STAGING.secret, OWN.secret].map(fingerprint);
    await check(
      'private-secret.1', echo.private('secret.1'), echo.socketId(), 'other_app_secret',
      `auth was signed with the secret of app "2" (${theirs}); this app has another (${ours}): correct REVERB_APP_SECRET of the back end`,
    );
  });

  test('has the key of another app', async (t) => {
    const staging = signer(STAGING);
    const echo = await page(t, ({ socket_id, channel_name }) => staging.authorizeChannel(socket_id, channel_name));
    await check(
      'private-key.1', echo.private('key.1'), echo.socketId(), 'other_app_key',
      'auth has the key of app "2", and the page connects to app "256980": REVERB_APP_KEY of the back end and VITE_REVERB_APP_KEY of the page differ',
    );
  });

  test('has a secret of no app', async (t) => {
    const stranger = signer({ secret: 'rotated' });
    const echo = await page(t, ({ socket_id, channel_name }) => stranger.authorizeChannel(socket_id, channel_name));
    const command = `php artisan tinker --execute="echo substr(hash('sha256', config('broadcasting.connections.reverb.secret')), 0, 8);"`;
    await check(
      'private-unknown.1', echo.private('unknown.1'), echo.socketId(), 'unknown_secret',
      `auth was signed with a secret that this server does not have, none of the 1 other apps has it (this app: ${fingerprint(OWN.secret)}), for a socket that is not among the last ones, or for other text; compare in Laravel: ${command}`,
    );
  });

  test('answers a second page with what it signed for the first', async (t) => {
    const own = signer();
    let kept;
    const echo = await page(t, ({ socket_id, channel_name }) => (kept ??= own.authorizeChannel(socket_id, channel_name)));
    await subscribed(echo.private('kept.1'));
    const second = shared.application.echo(t, { authEndpoint: echo.options.authEndpoint });
    await state(second.connector.pusher, 'connected');
    const [first, socket] = [echo.socketId(), second.socketId()];
    await check(
      'private-kept.1', second.private('kept.1'), socket, 'other_socket',
      `auth was signed for socket ${first}, and this is socket ${socket}: the page kept the answer of its auth endpoint from an earlier connection`,
    );
  });

  test('signs another name than that of the channel', async (t) => {
    const own = signer();
    const echo = await page(t, ({ socket_id, channel_name }) => own.authorizeChannel(socket_id, channel_name.replace(/^private-/, '')));
    await check(
      'private-altered.1', echo.private('altered.1'), echo.socketId(), 'other_channel',
      'the signature is for the channel `altered.1`, and the client asked for `private-altered.1`: the prefix was removed or added on the way to the auth endpoint',
    );
  });

  test('signs for a page that writes the prefix itself', async (t) => {
    const own = signer();
    const echo = await page(t, ({ socket_id, channel_name }) => own.authorizeChannel(socket_id, channel_name.replace('private-private-', 'private-')));
    await checkExplained(
      'private-private-twice.1', echo.private('private-twice.1'), echo.socketId(),
      'the signature is for the channel `private-twice.1`, and the client asked for `private-private-twice.1`: the page subscribes with a prefix twice: Echo\'s private() and join() add it',
    );
  });

  test('writes the data of a member anew', async (t) => {
    const own = signer();
    const echo = await page(t, ({ socket_id, channel_name }) => {
      const signed = own.authorizeChannel(socket_id, channel_name, { user_id: '7', user_info: { name: 'Ann' } });
      return { ...signed, channel_data: JSON.stringify(JSON.parse(signed.channel_data), null, 1) };
    });
    await check(
      'presence-room.1', echo.join('room.1'), echo.socketId(), 'channel_data_altered',
      'the channel_data was written anew after it was signed (spaces or escapes differ): it must be passed on as text, byte for byte',
    );
  });

  test('answers with an error, so that the page never asks for the channel', async (t) => {
    const echo = shared.application.echo(t, { authEndpoint: `${shared.server.url}/no/such/endpoint` });
    const refused = new Inbox('error()');
    echo.private('endpoint.1').error(refused.put);
    const [error] = await refused.until(1);
    assert.deepEqual([error.type, error.status], ['AuthError', 404]);
    const [verdict] = await shared.application.broadcast([{ event: 'ServerUpdated', on: ['PrivateChannel:endpoint.1'] }]);
    assert.equal(verdict.verdict, 'never_subscribed');
    const start = '0 on `private-endpoint.1`; no socket has subscribed to it since the server started, ';
    const end = ' before; a page whose auth endpoint answers with an error does not ask for it: the console of its browser has that answer';
    assert.ok(verdict.sentence.startsWith(start) && verdict.sentence.endsWith(end), verdict.sentence);
  });

  test('answers without a signature', async (t) => {
    const echo = await page(t, () => ({ auth: '' }));
    await check(
      'private-none.1', echo.private('none.1'), echo.socketId(), 'no_auth',
      'the client sent no auth: the auth endpoint answered without one (an empty body, or `true` as Laravel\'s redis and log broadcasters do), or the page has no auth endpoint',
    );
  });
});
