// Owns authorization by the server itself: stock Echo and pusher-js against /broadcasting/auth of the server, by token and by asking the application.

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import {
  connectEcho, connectPusher, ENCRYPTION_KEY, freePort, HOST, Inbox, sdk, signedIn, startBackend, startServer, subscribed, userInfo,
} from '../harness.mjs';

const SECRET = 'a secret of the issuer, of 32 bytes or more';

/** A token as any issuer makes it. */
function token(claims) {
  const part = (value) => Buffer.from(value).toString('base64url');
  const exp = Math.floor(Date.now() / 1000) + 60;
  const signed = `${part(JSON.stringify({ alg: 'HS256', typ: 'JWT' }))}.${part(JSON.stringify({ exp, ...claims }))}`;
  return `${signed}.${createHmac('sha256', SECRET).update(signed).digest('base64url')}`;
}

describe('authorization by token, without a back end', () => {
  const shared = {};

  before(async () => {
    const jwt = {
      secret: SECRET,
      channels: ['private-orders.{org}', 'presence-room.{org}', 'private-encrypted-vault.{org}'],
      user_info_fields: ['name'],
    };
    const auth = { mode: 'jwt', encryption_master_key: ENCRYPTION_KEY, jwt };
    shared.server = await startServer({ app: { auth } });
    // What pages name as their endpoint is the server.
    shared.backend = { url: shared.server.url };
    shared.pusher = sdk(shared.server);
  });
  after(() => shared.server?.dispose());

  test('Echo joins what the claims permit, and gets an error for the others', async (t) => {
    const echo = await connectEcho(t, shared, token({ sub: 'u7', org: 7 }));
    const [got, refused] = [new Inbox(), new Inbox('error()')];
    (await subscribed(echo.private('orders.7'))).listen('.e', got.put);
    await shared.pusher.trigger('private-orders.7', 'e', { n: 1 });
    assert.deepEqual(await got.until(1), [{ n: 1 }]);
    echo.private('orders.8').error(refused.put);
    const [{ type, status }] = await refused.until(1);
    assert.deepEqual([type, status], ['AuthError', 403]);
  });

  test('members have the id and the name of their token', async (t) => {
    const [ann, bob] = [token({ sub: 'ann', org: 7, name: 'Zoë' }), token({ sub: 'bob', org: 7, name: 'Bob' })];
    const echo = await connectEcho(t, shared, ann);
    const joining = new Inbox();
    (await subscribed(echo.join('room.7'))).joining(joining.put);
    const other = await connectEcho(t, shared, bob);
    const here = new Inbox();
    other.join('room.7').here(here.put);
    assert.deepEqual(await joining.until(1), [{ name: 'Bob' }]);
    const [members] = await here.until(1);
    assert.deepEqual(members.map(({ name }) => name).sort(), ['Bob', 'Zoë']);
  });

  test('an encrypted channel is decrypted with the secret of the master key', async (t) => {
    const echo = await connectEcho(t, shared, token({ sub: 'u7', org: 7 }));
    const got = new Inbox();
    (await subscribed(echo.encryptedPrivate('vault.7'))).listen('.e', got.put);
    await shared.pusher.trigger('private-encrypted-vault.7', 'e', { secret: 'Zoë' });
    assert.deepEqual(await got.until(1), [{ secret: 'Zoë' }]);
  });

  test('a user signs in and is reached', async (t) => {
    const pusher = await signedIn(await connectPusher(t, shared, token({ sub: 'u7' })));
    const got = new Inbox();
    pusher.user.bind('e', got.put);
    await shared.pusher.sendToUser('u7', 'e', { n: 1 });
    assert.deepEqual(await got.until(1), [{ n: 1 }]);
  });

  test('an expired token is refused', async (t) => {
    const echo = await connectEcho(t, shared, token({ sub: 'u7', org: 7, exp: 1 }));
    const refused = new Inbox('error()');
    echo.private('orders.7').error(refused.put);
    assert.equal((await refused.until(1))[0].status, 401);
  });
});

describe('authorization by asking the application', () => {
  const shared = {};

  before(async () => {
    const port = await freePort();
    shared.application = await startBackend({ host: HOST, port });
    const { url } = shared.application;
    const ask = { url: `${url}/broadcasting/auth`, user_url: `${url}/broadcasting/user-auth` };
    shared.server = await startServer({ app: { auth: { mode: 'ask', ask } }, port });
    shared.backend = { url: shared.server.url };
    shared.pusher = shared.application.pusher;
  });
  after(async () => {
    await shared.server?.dispose();
    await shared.application?.stop();
  });

  test('what the application permits opens, for each further socket of the session too', async (t) => {
    const got = new Inbox();
    for (let socket = 0; socket < 3; socket += 1) {
      const echo = await connectEcho(t, shared, '1');
      (await subscribed(echo.private('orders.1'))).listen('.e', got.put);
    }
    await shared.pusher.trigger('private-orders.1', 'e', { n: 1 });
    assert.deepEqual(await got.until(3), [{ n: 1 }, { n: 1 }, { n: 1 }]);
  });

  test('members have the info that the application signed', async (t) => {
    const echo = await connectEcho(t, shared, '1');
    const here = new Inbox();
    echo.join('room').here(here.put);
    assert.deepEqual(await here.until(1), [[userInfo('1')]]);
  });

  test('an encrypted channel gets the secret of the application', async (t) => {
    const echo = await connectEcho(t, shared, '1');
    const got = new Inbox();
    (await subscribed(echo.encryptedPrivate('vault'))).listen('.e', got.put);
    await shared.pusher.trigger('private-encrypted-vault', 'e', { n: 1 });
    assert.deepEqual(await got.until(1), [{ n: 1 }]);
  });

  test('a user signs in', async (t) => {
    const pusher = await signedIn(await connectPusher(t, shared, '1'));
    assert.equal(pusher.user.user_data.id, '1');
  });

  test('a guest and a forged signature are refused', async (t) => {
    for (const [user, name, expected] of [[undefined, 'orders.1', 403], ['1', 'forged.1', 502]]) {
      const echo = await connectEcho(t, shared, user);
      const refused = new Inbox('error()');
      echo.private(name).error(refused.put);
      const [{ type, status }] = await refused.until(1);
      assert.deepEqual([type, status], ['AuthError', expected]);
    }
  });
});
