// Owns an unmodified application: `resound serve` beside its stock `.env`, stock clients with the VITE_ values of that file, and Laravel's PHP.

import assert from 'node:assert/strict';
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { CERTIFICATE, freePort, Inbox, laravel, reverbEnv, state, subscribed, until } from '../harness.mjs';

const DATA = { capacity: 85, name: 'Zoë ☃ "q" \\ </script> 😀' };
const CREDENTIALS = `APP_ID=app-of-soketi
PUSHER_APP_KEY=key-of-soketi
PUSHER_APP_SECRET=secret-of-soketi
`;

/** What both stock clients of an application receive of an event on `servers.5`. */
async function received(t, { echo, pusher }) {
  const [ofEcho, ofPusher] = [new Inbox('Echo'), new Inbox('pusher-js')];
  await Promise.all([state(echo.connector.pusher, 'connected'), state(pusher, 'connected')]);
  (await subscribed(echo.channel('servers.5'))).listen('ServerUpdated', ofEcho.put);
  const channel = await subscribed(pusher.subscribe('servers.5'));
  channel.bind('App\\Events\\ServerUpdated', ofPusher.put);
  return async () => {
    assert.deepEqual(await ofEcho.until(1), [DATA]);
    assert.deepEqual(await ofPusher.until(1), [DATA]);
  };
}

const EVENT = [{ event: 'ServerUpdated', on: ['Channel:servers.5'] }];

describe('an application with the .env that Laravel writes', { concurrency: true }, () => {
  test('is served from its folder without a configuration file', async (t) => {
    const port = await freePort();
    const application = laravel(t, reverbEnv(port));
    const server = await application.serve(port);
    const arrived = await received(t, { echo: application.echo(t), pusher: application.pusher(t) });
    const [verdict] = await application.broadcast(EVENT);
    await arrived();
    assert.deepEqual([verdict.verdict, verdict.sockets], ['delivered', 2]);
    const variables = 'REVERB_SERVER_HOST, REVERB_HOST, REVERB_SERVER_PORT, REVERB_APP_ID, REVERB_APP_KEY, REVERB_APP_SECRET';
    await until(() => server.log.includes(`settings were read from a .env file file=".env" variables=${variables}\n`), 'the line');
  });

  test('is served from another folder with --env-file', async (t) => {
    const port = await freePort();
    const application = laravel(t, reverbEnv(port));
    const server = await application.serve(port, { arguments: ['--env-file', '../app/.env'], cwd: application.beside });
    const arrived = await received(t, { echo: application.echo(t), pusher: application.pusher(t) });
    await application.broadcast(EVENT);
    await arrived();
    await until(() => server.log.includes('settings were read from a .env file file="../app/.env"'), 'the line');
  });
});

/** An application of a shop that runs soketi with TLS: its `.env`, and the variables of soketi's process. */
async function soketi() {
  const port = await freePort();
  const env = `APP_NAME=Laravel
BROADCAST_CONNECTION=pusher

PUSHER_${CREDENTIALS}PUSHER_HOST=localhost
PUSHER_PORT=${port}
PUSHER_SCHEME=https
PUSHER_APP_CLUSTER=mt1

VITE_PUSHER_APP_KEY="\${PUSHER_APP_KEY}"
VITE_PUSHER_HOST="\${PUSHER_HOST}"
VITE_PUSHER_PORT="\${PUSHER_PORT}"
VITE_PUSHER_SCHEME="\${PUSHER_SCHEME}"
VITE_PUSHER_APP_CLUSTER="\${PUSHER_APP_CLUSTER}"
`;
  const variables = {
    SOKETI_DEFAULT_APP_ID: 'app-of-soketi',
    SOKETI_DEFAULT_APP_KEY: 'key-of-soketi',
    SOKETI_DEFAULT_APP_SECRET: 'secret-of-soketi',
    SOKETI_HOST: '127.0.0.1',
    SOKETI_PORT: String(port),
    SOKETI_SSL_CERT: 'ssl/fullchain.pem',
    SOKETI_SSL_KEY: 'ssl/privkey.pem',
  };
  return { port, env, variables };
}

/** Echo as a page of Laravel 10 with soketi makes it. */
function echoOfSoketi(t, application) {
  const env = application.vite;
  return application.echo(t, {
    broadcaster: 'pusher',
    key: env.VITE_PUSHER_APP_KEY,
    cluster: env.VITE_PUSHER_APP_CLUSTER ?? 'mt1',
    wsHost: env.VITE_PUSHER_HOST ? env.VITE_PUSHER_HOST : `ws-${env.VITE_PUSHER_APP_CLUSTER}.pusher.com`,
    wsPort: env.VITE_PUSHER_PORT ?? 80,
    wssPort: env.VITE_PUSHER_PORT ?? 443,
    forceTLS: (env.VITE_PUSHER_SCHEME ?? 'https') === 'https',
  });
}

/** Where soketi's variables name its certificate. */
function installCertificate(folder) {
  for (const name of ['fullchain.pem', 'privkey.pem']) copyFileSync(CERTIFICATE, join(folder, name));
}

async function checkEncrypted(t, application) {
  const [echo, pusher] = [echoOfSoketi(t, application), application.pusher(t, { prefix: 'VITE_PUSHER' })];
  const arrived = await received(t, { echo, pusher });
  for (const one of [echo.connector.pusher, pusher]) {
    assert.equal(new URL(one.connection.connection.transport.socket.url).protocol, 'wss:');
  }
  await application.broadcast(EVENT);
  await arrived();
}

describe('an application that leaves soketi', { concurrency: true }, () => {
  test('is served with the variables of soketi, its certificate among them', async (t) => {
    const { port, env, variables } = await soketi();
    const application = laravel(t, env);
    installCertificate(application.makeFolder('ssl'));
    await application.serve(port, { env: variables, scheme: 'https' });
    await checkEncrypted(t, application);
  });

  test('is served where its .env has them', async (t) => {
    const { port, env, variables } = await soketi();
    const lines = Object.entries(variables).map(([name, value]) => `${name}=${value}\n`);
    const application = laravel(t, `${env}${lines.join('')}`);
    installCertificate(application.makeFolder('ssl'));
    await application.serve(port, { scheme: 'https' });
    await checkEncrypted(t, application);
  });
});
