// Owns a Laravel application as a shop has it: a folder with a stock `.env`, its PHP (Laravel's own classes), its pages (Echo with the
// VITE_ values of that file), and the commands of Resound that look at the server.

import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { parse } from 'dotenv';
import { expand } from 'dotenv-expand';
import Echo from 'laravel-echo';
import Pusher from 'pusher-js';
import { sdk } from './backend.mjs';
import { plainEnvironment, startServer } from './server.mjs';
import { until } from './until.mjs';

const run = promisify(execFile);
const file = (path) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const APPLICATION = file('laravel/application.php');
const AUTHORITY = file('certificates/ca.pem');

export const CERTIFICATE = file('certificates/valid.pem');

/** What `php artisan install:broadcasting` leaves in `.env`, with a port of the test's own. */
export function reverbEnv(port, more = '') {
  return `APP_NAME=Laravel
APP_ENV=local
APP_URL=http://localhost

BROADCAST_CONNECTION=reverb
QUEUE_CONNECTION=database

REDIS_CLIENT=phpredis
REDIS_HOST=127.0.0.1
REDIS_PASSWORD=null
REDIS_PORT=6379

REVERB_APP_ID=256980
REVERB_APP_KEY=ouzwhumntj5sfewqmkqr
REVERB_APP_SECRET=w7a9ie3vxbz0cnlz1zvg
REVERB_HOST="localhost"
REVERB_PORT=${port}
REVERB_SCHEME=http
REVERB_SERVER_HOST=127.0.0.1
REVERB_SERVER_PORT=\${REVERB_PORT}

VITE_REVERB_APP_KEY="\${REVERB_APP_KEY}"
VITE_REVERB_HOST="\${REVERB_HOST}"
VITE_REVERB_PORT="\${REVERB_PORT}"
VITE_REVERB_SCHEME="\${REVERB_SCHEME}"
${more}`;
}

/** The application of a test, gone with it. `env`: the text of its `.env`. */
export function laravel(t, env) {
  const application = new Application(env);
  t.after(() => application.dispose());
  return application;
}

export class Application {
  #root = mkdtempSync(join(tmpdir(), 'resound-laravel-'));
  #servers = [];
  folder = join(this.#root, 'app');
  /** A folder beside the application. */
  beside = join(this.#root, 'deploy');

  constructor(env) {
    for (const folder of [this.folder, this.beside]) mkdirSync(folder);
    writeFileSync(join(this.folder, '.env'), env);
  }

  /** A folder in that of the application; its path. */
  makeFolder(name) {
    const path = join(this.folder, name);
    mkdirSync(path);
    return path;
  }

  /** The variables of `.env` as Vite gives them to pages. */
  get vite() {
    return Object.fromEntries(Object.entries(this.#env).filter(([name]) => name.startsWith('VITE_')));
  }

  get #env() {
    return expand({ parsed: parse(readFileSync(join(this.folder, '.env'))), processEnv: {} }).parsed;
  }

  /** Writes a configuration file of Resound beside the `.env`, for `serve` with `--config resound.toml`. */
  configure(toml) {
    writeFileSync(join(this.folder, 'resound.toml'), toml);
  }

  /** The stock server SDK with the credentials of `.env`; `options` replace some. It signs what the auth endpoint of a test answers. */
  sdk(server, options = {}) {
    const { REVERB_APP_ID: appId, REVERB_APP_KEY: key, REVERB_APP_SECRET: secret } = this.#env;
    return sdk(server, { appId, key, secret, ...options });
  }

  /** `resound serve` without a configuration file, in the folder of the application. `command`: what differs. */
  async serve(port, command = {}) {
    const server = await startServer({ host: 'localhost', port, command: { arguments: [], cwd: this.folder, ...command } });
    this.#servers.push(server);
    return server;
  }

  /** An Echo as `resources/js/echo.js` makes it; `more`: options of the page. It goes away with the test. */
  echo(t, more = {}) {
    const env = this.vite;
    const echo = new Echo({
      broadcaster: 'reverb',
      key: env.VITE_REVERB_APP_KEY,
      wsHost: env.VITE_REVERB_HOST,
      wsPort: env.VITE_REVERB_PORT ?? 80,
      wssPort: env.VITE_REVERB_PORT ?? 443,
      forceTLS: (env.VITE_REVERB_SCHEME ?? 'https') === 'https',
      enabledTransports: ['ws', 'wss'],
      Pusher,
      ...more,
    });
    t.after(() => echo.disconnect());
    return echo;
  }

  /** A bare pusher-js with the same values; `prefix`: that of the variables. */
  pusher(t, { prefix = 'VITE_REVERB', ...more } = {}) {
    const value = (name) => this.vite[`${prefix}_${name}`];
    const pusher = new Pusher(value('APP_KEY'), {
      cluster: '',
      wsHost: value('HOST'),
      wsPort: value('PORT'),
      wssPort: value('PORT'),
      forceTLS: value('SCHEME') === 'https',
      enabledTransports: ['ws', 'wss'],
      ...more,
    });
    t.after(() => pusher.disconnect());
    return pusher;
  }

  /**
   * Broadcasts events from PHP: `{ event: 'ServerUpdated', on: ['Channel:servers.5'], socket: null }`, over `connection` or the
   * default one. Gives the verdicts that the server answered, as values.
   */
  async broadcast(events, { connection, env = {} } = {}) {
    const words = ['-d', `curl.cainfo=${AUTHORITY}`, APPLICATION, this.folder, JSON.stringify(events)];
    if (connection) words.push(connection);
    const { stdout } = await run('php', words, { env: { PATH: process.env.PATH, ...env } });
    return stdout.split('\n').filter(Boolean).map((line) => JSON.parse(line));
  }

  async dispose() {
    for (const server of this.#servers) await server.dispose();
    rmSync(this.#root, { recursive: true, force: true });
  }
}

/** The lines with this message and this part of a log in JSON, as values, once there is one. */
export async function logged(server, message, part) {
  const found = () => {
    const whole = server.log.split('\n').slice(0, -1).filter((line) => line.startsWith('{') && line.includes(part));
    return whole.map((line) => JSON.parse(line)).filter((line) => line.message === message);
  };
  await until(() => found().length > 0, () => `"${message}" with ${part} in the log:\n${server.log}`);
  return found();
}

/** The output of a command of Resound that looks at this server, such as `explain orders.7`. */
export async function ask(server, ...words) {
  const [command, ...rest] = words;
  const { stdout } = await run(process.env.RESOUND_BIN, [command, ...rest, '--pid', String(server.pid)], { env: plainEnvironment() });
  return stdout;
}

