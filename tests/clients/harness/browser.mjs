// Owns the browser: the bundle of the page, one Chromium per test file, and a tab whose log can be read.

import { build } from 'esbuild';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { after, before } from 'node:test';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { APP } from './server.mjs';
import { slowDown } from './slow.mjs';
import { world } from './suite.mjs';
import { within } from './until.mjs';

const ENTRY = fileURLToPath(new URL('../browser/page/page.js', import.meta.url));
const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
export const QUIET = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** The path of Chromium: env CHROMIUM, or the first one on PATH; null when there is none. */
export function findChromium() {
  if (process.env.CHROMIUM) return process.env.CHROMIUM;
  const folders = (process.env.PATH ?? '').split(delimiter);
  const candidates = NAMES.flatMap((name) => folders.map((folder) => join(folder, name)));
  return candidates.find(executable) ?? null;
}

function executable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** The page's script: pusher-js, Echo, Vue and echo-vue in one file, as a front-end build would make it. */
export async function bundle() {
  const { outputFiles } = await build({
    entryPoints: [ENTRY],
    bundle: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    minify: true,
    write: false,
    logLevel: 'error',
    define: {
      'process.env.NODE_ENV': '"production"',
      __VUE_OPTIONS_API__: 'false',
      __VUE_PROD_DEVTOOLS__: 'false',
      __VUE_PROD_HYDRATION_MISMATCH_DETAILS__: 'false',
    },
  });
  return outputFiles[0].text;
}

/** Like `world`, with a Chromium beside the server. `tab(t, { user })` opens a page as that user. */
export function browserWorld({ app, apps } = {}) {
  const shared = world({ app, apps, script: bundle });
  const profiles = new Map();
  before(async () => {
    const executablePath = findChromium();
    if (!executablePath) throw new Error('no Chromium found: install it or set CHROMIUM to its path');
    shared.browser = await chromium.launch({ executablePath, headless: true, args: QUIET });
  });
  after(() => shared.browser?.close());

  /** The browser profile of a user, whose tabs share cookies; `idle` are tabs earlier tests are done with. */
  async function profileOf(user) {
    if (!profiles.has(user)) profiles.set(user, { context: await shared.browser.newContext(), idle: [] });
    return profiles.get(user);
  }

  /** A page, logged in as `user` if one is given; two for the same user are two tabs of one profile. */
  shared.tab = async (t, { user } = {}) => {
    const { context, idle } = await profileOf(user);
    const page = idle.pop() ?? (await context.newPage());
    await slowDown(page);
    const tab = new Tab(page, shared);
    t.after(async () => {
      if (page.isClosed()) return;
      await tab.leave();
      idle.push(page);
    });
    await page.goto(`${shared.backend.url}/${user ? `as/${user}` : ''}`, { waitUntil: 'commit' });
    await page.waitForFunction(() => window.client, null, { polling: 10 });
    return tab;
  };

  /** A page with an Echo that is connected. */
  shared.connectedTab = async (t, options) => {
    const tab = await shared.tab(t, options);
    await tab.open();
    await tab.logged(['state', 'connected']);
    return tab;
  };
  return shared;
}

class Tab {
  /** Text frames the page's sockets received, byte for byte. */
  frames = [];
  #socketOpened = (socket) => socket.on('framereceived', ({ payload }) => this.frames.push(String(payload)));

  constructor(page, shared) {
    this.page = page;
    this.target = { key: APP.key, host: shared.server.host, port: shared.server.port };
    page.on('websocket', this.#socketOpened);
  }

  /** Calls `window.client[name]` in the page. */
  call(name, ...args) {
    return this.page.evaluate(([path, list]) => path.split('.').reduce((at, part) => at[part], window.client)(...list), [name, args]);
  }

  open({ key, ...how } = {}) {
    return this.call('open', { ...this.target, ...(key ? { key } : {}) }, how);
  }

  log() {
    return this.page.evaluate(() => window.client.log);
  }

  /** The log entries that begin with `what`, without that word. */
  async entries(what) {
    return (await this.log()).filter(([first]) => first === what).map(([, ...rest]) => rest);
  }

  /** Waits until the log holds `entry` (`count` times), compared as JSON. */
  async logged(entry, { count = 1, deadline } = {}) {
    const seen = this.call('logged', JSON.stringify(entry), count);
    seen.catch(() => {});
    try {
      await within(seen, `${count} × ${JSON.stringify(entry)}`, deadline);
    } catch (late) {
      throw new Error(`${late.message}; the log is ${JSON.stringify(await this.log())}`);
    }
  }

  /** Ends what the page has open and forgets what its profile has stored. */
  async leave() {
    this.page.off('websocket', this.#socketOpened);
    await this.page.evaluate(() => window.localStorage.clear());
    await this.page.goto('about:blank');
  }

  close() {
    return this.page.close();
  }
}
