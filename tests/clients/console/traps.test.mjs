// Owns the traps in which an event does not reach a page, made with stock Echo and pusher-js: a developer finds the cause in the
// console with the mouse alone, by one click on the row.

import assert from 'node:assert/strict';
import { build } from 'esbuild';
import { fileURLToPath } from 'node:url';
import { after, before, describe, test } from 'node:test';
import { startBackend } from '../harness/backend.mjs';
import { APP, consoleWorld } from '../harness/console.mjs';
import { until } from '../harness/until.mjs';

const FOLDER = fileURLToPath(new URL('.', import.meta.url));
const PAGE = `
  import Echo from 'laravel-echo';
  import Pusher from 'pusher-js';
  window.Pusher = Pusher;
  window.got = [];
  window.connect = (options) => { window.Echo = new Echo({ broadcaster: 'reverb', key: '${APP.key}', forceTLS: false, enabledTransports: ['ws', 'wss'], authEndpoint: '/broadcasting/auth', ...options }); };
  window.subscribed = (channel) => new Promise((resolve) => channel.subscribed(resolve));
`;
const CLASS = 'App\\Events\\';
/** What a person needs for a look at the list and one click is far below it. */
const A_MINUTE = 60_000;

describe('why an event did not arrive, by the mouse alone', () => {
  const world = consoleWorld();
  const shared = {};

  before(async () => {
    const stdin = { contents: PAGE, resolveDir: FOLDER };
    const { outputFiles } = await build({ stdin, bundle: true, format: 'esm', write: false, logLevel: 'error' });
    shared.backend = await startBackend(world.node.server, { script: outputFiles[0].text });
  });
  after(() => shared.backend?.stop());

  /** A page of the application, connected with these options on top; `dialled` are the sockets that leave this machine. */
  async function application(t, options = {}) {
    const context = await world.browser.newContext();
    t.after(() => context.close());
    const page = await context.newPage();
    const dialled = [];
    await page.routeWebSocket(/pusher\.com|0\.0\.0\.0/, (socket) => {
      dialled.push(new URL(socket.url()).host);
      socket.close();
    });
    await page.goto(`${shared.backend.url}/as/1`);
    await page.waitForFunction(() => window.connect, null, { polling: 20 });
    const { host, port } = world.node.server;
    await page.evaluate((all) => window.connect(all), { wsHost: host, wsPort: port, ...options });
    return { page, dialled };
  }

  /** The page Live of the console, before anything happens. */
  async function live(t) {
    const tab = await world.open(t, { page: 'live' });
    await tab.untilText('Nothing has happened yet');
    await tab.untilStreamIsOpen();
    return tab;
  }

  /** Publishes, clicks on the row of the event, and waits for each of these sentences. */
  async function found(tab, publish, event, outcome, sentences) {
    const began = performance.now();
    await publish();
    await tab.page.locator('tr.live-row', { hasText: event }).filter({ hasText: outcome }).first().click();
    for (const sentence of sentences) await tab.untilText(sentence);
    assert.ok(performance.now() - began < A_MINUTE);
  }

  test('the event is on a public channel, and the page listens on the private one', async (t) => {
    const { page } = await application(t);
    await page.evaluate(() => window.subscribed(window.Echo.private('organization.1.capacity').listen('CapacityChanged', (data) => window.got.push(data))));
    const tab = await live(t);
    const publish = () => shared.backend.pusher.trigger('organization.1.capacity', `${CLASS}CapacityChanged`, { used: 7 });
    await found(tab, publish, 'CapacityChanged', 'No receiver', [
      '0 on organization.1.capacity; 1 socket on private-organization.1.capacity: publish on PrivateChannel',
      'Near name 1 socket on private-organization.1.capacity',
    ]);
    assert.deepEqual(await page.evaluate(() => window.got), []);
  });

  test('the page listens with a dot, and the event has the name of its class', async (t) => {
    const { page } = await application(t);
    await page.evaluate(() => window.subscribed(window.Echo.channel('servers').listen('.ServerUpdated', (data) => window.got.push(data))));
    const tab = await live(t);
    const publish = () => shared.backend.pusher.trigger('servers', `${CLASS}ServerUpdated`, {});
    await found(tab, publish, 'ServerUpdated', 'Delivered', [
      'delivered to 1 socket on 1 node',
      'Delivered, and the page shows nothing?',
      'The name on the wire is App\\Events\\ServerUpdated.',
      "Echo.channel('servers')\n    .listen('ServerUpdated', (event) => console.log(event));",
    ]);
    assert.deepEqual(await page.evaluate(() => window.got), []);
  });

  test('toOthers() leaves out the only page that is open', async (t) => {
    const { page } = await application(t);
    await page.evaluate(() => window.subscribed(window.Echo.private('board').listen('Posted', (data) => window.got.push(data))));
    const socket = await page.evaluate(() => window.Echo.socketId());
    const tab = await live(t);
    const publish = () => shared.backend.pusher.trigger('private-board', `${CLASS}Posted`, {}, { socket_id: socket });
    await found(tab, publish, 'Posted', `except ${socket}`, [
      `0 on private-board: its only subscriber is socket ${socket}, which the socket_id of the trigger excludes (toOthers())`,
      `socket_id of the trigger: ${socket}`,
    ]);
    const job = () => shared.backend.pusher.trigger('private-board', `${CLASS}PostedByAJob`, {});
    await found(tab, job, 'PostedByAJob', 'Delivered', ['socket_id of the trigger: none (no toOthers(), or no browser behind it)']);
  });

  test('the page has host and port in place of wsHost and wsPort, and dials pusher.com', async (t) => {
    const { host, port } = world.node.server;
    const { dialled } = await application(t, { broadcaster: 'pusher', cluster: 'mt1', wsHost: undefined, wsPort: undefined, host, port, scheme: 'http' });
    await until(() => dialled.length > 0, 'the page dialling');
    assert.match(dialled[0], /pusher\.com/);
    await noClient(t, 'Shipped');
  });

  test('the page dials 0.0.0.0, which is an address to listen at', async (t) => {
    const { dialled } = await application(t, { wsHost: '0.0.0.0' });
    await until(() => dialled.length > 0, 'the page dialling');
    await noClient(t, 'Paid');
  });

  async function noClient(t, event) {
    const tab = await live(t);
    const publish = () => shared.backend.pusher.trigger('orders', `${CLASS}${event}`, {});
    await found(tab, publish, event, 'No receiver', [
      'no client of the app is connected, so no page reaches this server: Echo takes wsHost, wsPort and wssPort, and ignores host, port and scheme, with which it dials pusher.com; 0.0.0.0 is an address to listen at and none to connect to.',
    ]);
  }

  test('a component has unsubscribed, and Echo keeps its record of the channel', async (t) => {
    const { page } = await application(t);
    const tab = await live(t);
    await page.evaluate(async () => {
      await window.subscribed(window.Echo.private('room'));
      window.Echo.private('room').unsubscribe();
      window.Echo.private('room').listen('Opened', (data) => window.got.push(data));
    });
    await tab.page.locator('tr.live-row', { hasText: 'private-room' }).filter({ hasText: 'Left' }).first().waitFor();
    const publish = () => shared.backend.pusher.trigger('private-room', `${CLASS}Opened`, {});
    await found(tab, publish, 'Opened', 'No receiver', ['its last subscriber, left ', 'Left before socket ']);
    assert.deepEqual(await page.evaluate(() => window.got), []);
  });
});
