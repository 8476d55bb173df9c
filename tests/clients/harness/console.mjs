// Owns what the suites of the console share: servers with an internal listener, a tab with its errors and bytes, axe, screenshots.

import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { after, before } from 'node:test';
import { chromium } from 'playwright-core';
import { sdk } from './backend.mjs';
import { findChromium, QUIET } from './browser.mjs';
import { startRedis } from './redis.mjs';
import { APP, freePort, HOST, startServer } from './server.mjs';
import { slowDown } from './slow.mjs';
import { until } from './until.mjs';

export const TOKEN = 'token-of-the-console-0123456789';
export const READ_ONLY_TOKEN = 'token-that-looks-only-0123456789';
export const PAGES = ['overview', 'live', 'channels', 'sockets', 'publish', 'refused', 'webhooks', 'cluster', 'apps', 'doctor'];
export const WIDE = { width: 1280, height: 800 };
export const NARROW = { width: 390, height: 844 };
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

/**
 * Starts `count` servers with a console; two and more share a Redis, or what `startShared` starts in its place. `internal`: keys of its section, such as
 * `{ payloads: 'full' }`; `app` (or what returns it once the hooks before have run), `apps`, `sections`: as `startServer` takes them.
 */
export async function startConsole({ count = 1, internal = {}, app, apps, sections = {}, startShared = startRedis } = {}) {
  const made = { nodes: [], redis: null };
  made.dispose = async () => {
    await Promise.all(made.nodes.map(({ server }) => server.dispose()));
    await made.redis?.dispose();
  };
  try {
    if (count > 1) made.redis = await startShared();
    const { url, port } = made.redis ?? {};
    const cluster = made.redis ? { cluster: { enabled: true, ...(url ? { url } : { port }), ...sections.cluster } } : {};
    for (let at = 0; at < count; at += 1) {
      const listen = `${HOST}:${await freePort()}`;
      const keys = { token: TOKEN, read_only_token: READ_ONLY_TOKEN, ...internal, listen: [listen] };
      const server = await startServer({ app: typeof app === 'function' ? app() : app, apps, sections: { ...sections, ...cluster, internal: keys } });
      made.nodes.push(new ConsoleNode(server, `http://${listen}`));
    }
  } catch (failure) {
    await made.dispose();
    throw failure;
  }
  return made;
}

/** A server with its console: `url` is that of the page, `pusher` a back end. */
class ConsoleNode {
  constructor(server, root) {
    this.server = server;
    this.root = root;
    this.url = `${root}/console/`;
    this.pusher = sdk(server);
  }

  /** What the internal API answers: `{ status, body }`. */
  async api(path, { token = TOKEN, ...init } = {}) {
    const headers = { connection: 'close', ...init.headers, ...(token ? { authorization: `Bearer ${token}` } : {}) };
    const answer = await fetch(`${this.root}/internal/v1${path}`, { ...init, headers });
    const text = await answer.text();
    return { status: answer.status, body: text.startsWith('{') ? JSON.parse(text) : text };
  }
}

/**
 * Registers the hooks of a file: servers and a browser for all of its tests. In the object that is returned, `node` is the
 * first server, `nodes` has all of them, and `open` opens a tab.
 */
export function consoleWorld(options) {
  const world = {};
  before(async () => {
    Object.assign(world, await startConsole(options));
    world.node = world.nodes[0];
    world.browser = await launch();
  });
  after(async () => {
    await world.browser?.close();
    await world.dispose?.();
  });
  world.open = (t, how) => openTab(t, world.browser, { url: world.node.url, ...how });
  return world;
}

/** A browser; `args`: further arguments of Chromium. */
export function launch(...args) {
  const executablePath = findChromium();
  if (!executablePath) throw new Error('no Chromium found: install it or set CHROMIUM to its path');
  return chromium.launch({ executablePath, headless: true, args: [...QUIET, ...args] });
}

/**
 * Opens a page of the console, logged in: `page` is the part of the address behind `#/`, such as `channels/123456/orders`.
 * The test fails at its end if the browser has reported an error that is not in `tolerated` (a list of texts or patterns).
 * `script` is a function with its argument that runs in the document before its own scripts.
 */
export async function openTab(t, browser, { url, page = 'overview', token = TOKEN, theme = 'light', size = WIDE, tolerated = [], script }) {
  const context = await browser.newContext({ colorScheme: theme, viewport: size, reducedMotion: 'reduce', locale: 'en-GB', timezoneId: 'Europe/Berlin' });
  // Over plain http, names other than localhost have no clipboard that could be granted.
  if (['127.0.0.1', 'localhost'].includes(new URL(url).hostname)) await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: new URL(url).origin });
  if (script) await context.addInitScript(...script);
  const tab = new ConsoleTab(await context.newPage(), url);
  await slowDown(tab.page);
  t.after(async () => {
    // A request of the page may be with a handler of the test, which the close would interrupt.
    if (!tab.page.isClosed()) await tab.page.unrouteAll({ behavior: 'ignoreErrors' });
    await context.close();
    const isTolerated = (error) => tolerated.some((one) => (one instanceof RegExp ? one.test(error) : error.includes(one)));
    assert.deepEqual(tab.errors.filter((error) => !isTolerated(error)), [], 'the browser reported errors');
  });
  const fragment = token ? `#token=${token}&/${page}` : `#/${page}`;
  await tab.page.goto(`${url}${fragment}`);
  // The login, or what the page has rendered: its title is there before its script is.
  await tab.page.waitForSelector('.login-page h1, .page > *', { state: 'attached' });
  return tab;
}

export class ConsoleTab {
  /** Errors of the page and of its policy. */
  errors = [];
  /** What was asked for, with the bytes on the wire. */
  requests = [];

  constructor(page, url) {
    this.page = page;
    this.url = url;
    page.on('console', (message) => message.type() === 'error' && this.errors.push(message.text()));
    page.on('pageerror', (error) => this.errors.push(String(error)));
    page.on('request', (request) => this.requests.push(request.url()));
  }

  /** Shows another page by its address, such as `live?app=1`. */
  async show(page) {
    await this.page.evaluate((hash) => (location.hash = hash), `#/${page}`);
  }

  /** Waits until the page shows this text, or matches this pattern. */
  async untilText(wanted, deadline) {
    let seen = '';
    const shows = async () => {
      seen = await this.text();
      return wanted instanceof RegExp ? wanted.test(seen) : seen.includes(wanted);
    };
    await until(shows, () => `${wanted} on the page, which shows\n${seen}\n`, deadline);
  }

  /** Waits until the stream of what happens is open: it has no event of before. `Live` is also the name of a page. */
  async untilStreamIsOpen() {
    const state = this.page.locator('.live-state, .happenings .bar');
    await until(async () => (await state.count()) === 1 && (await state.innerText()).startsWith('Live'), 'the stream being open');
  }

  /** The text of the page, as it is rendered. */
  text() {
    return this.page.evaluate(() => document.body.innerText);
  }

  /** Fails with each violation that axe finds, in both themes. */
  async checkAxe() {
    for (const colorScheme of ['light', 'dark']) {
      await this.page.emulateMedia({ colorScheme });
      // Evaluated by the protocol of the browser, so the policy of the page stays as it is.
      await this.page.evaluate(AXE);
      const found = await this.page.evaluate((values) => window.axe.run(document, { runOnly: { type: 'tag', values } }), RULES);
      const shown = found.violations.map(({ id, help, nodes }) => `${id}: ${help}\n${nodes.map(({ html, failureSummary }) => `  ${html}\n  ${failureSummary}`).join('\n')}`);
      assert.deepEqual(shown, [], `axe in the ${colorScheme} theme`);
    }
  }

  /** Fails if a text became an element, a script or an address. Markup in such a test sets `hacked`. */
  async checkTextOnly() {
    const found = await this.page.evaluate(() => ({
      elements: [...document.querySelectorAll('img, iframe, object, embed, script:not([src]), svg:not(.icon):not([viewBox]), [onerror], [onload]')].map((one) => one.outerHTML),
      links: [...document.querySelectorAll('a[href], form[action]')].map((one) => one.href ?? one.action).filter((href) => !href.startsWith(`${location.origin}${location.pathname}#`)),
      hacked: window.hacked,
    }));
    assert.deepEqual(found, { elements: [], links: [], hacked: undefined });
  }

  /** Fails if the page as a whole scrolls sideways at the width of a phone. */
  async checkNarrow() {
    const size = this.page.viewportSize();
    await this.page.setViewportSize(NARROW);
    const wide = await this.page.evaluate(() => {
      const outside = [...document.querySelectorAll('body *')].filter((one) => one.getBoundingClientRect().right > innerWidth + 1);
      return { by: document.documentElement.scrollWidth - innerWidth, outside: outside.slice(0, 5).map((one) => one.outerHTML.slice(0, 120)) };
    });
    assert.ok(wide.by <= 0, `the page is ${wide.by} px too wide: ${wide.outside.join('\n')}`);
    await this.page.setViewportSize(size);
  }

  /**
   * Stores screenshots of both themes at both widths in the folder that CONSOLE_SCREENSHOTS names, as NAME-light-1280.png and so
   * on; without the variable it does nothing.
   */
  async screenshots(name) {
    const folder = process.env.CONSOLE_SCREENSHOTS;
    if (!folder) return;
    for (const size of [WIDE, NARROW]) {
      await this.page.setViewportSize(size);
      for (const colorScheme of ['light', 'dark']) {
        await this.page.emulateMedia({ colorScheme });
        await this.screenshot(join(folder, `${name}-${colorScheme}-${size.width}.png`));
      }
    }
  }

  /** Stores one screenshot as it is now. */
  async screenshot(path) {
    mkdirSync(dirname(path), { recursive: true });
    await this.page.screenshot({ path });
  }
}

export { APP };
