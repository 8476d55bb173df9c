// Makes the screenshots of the README: a server with some minutes of traffic, looked at in Chromium.
//
//   RESOUND_BIN=target/release/resound node tests/clients/console/screenshots.mjs [minutes]

import { once } from 'node:events';
import { get } from 'node:http';
import { fileURLToPath } from 'node:url';
import { setTimeout as pause } from 'node:timers/promises';
import Pusher from 'pusher-js';
import { launch, startConsole, TOKEN, WIDE } from '../harness/console.mjs';
import { APP } from '../harness/server.mjs';

const IMAGES = fileURLToPath(new URL('../../../config/images/', import.meta.url));
const MINUTES = Number(process.argv[2] ?? 10);
const CLIENTS = 48;
const CHANNELS = ['orders', 'prices', 'chat.lobby', 'news'];
const EVENTS = { orders: 'OrderShipped', prices: 'PriceChanged', 'chat.lobby': 'MessageSent', news: 'ArticlePublished' };
/** Each image with its page, its theme, and pixels for each pixel: a page full of text stays below 150 KB. */
const SHOTS = [
  ['overview', 'overview', 'light', 1.5],
  ['live', 'live', 'dark', 1],
];

/** What shops and chats send: more at some times than at others. */
async function traffic({ pusher, server }, until) {
  for (let turn = 0; Date.now() < until; turn += 1) {
    const channel = CHANNELS[turn % CHANNELS.length];
    const data = { id: 1000 + turn, customer: 'Zoë', total: { amount: (turn * 37) % 900, currency: 'EUR' }, items: ['tea', 'cup'] };
    await pusher.trigger(channel, EVENTS[channel], data);
    if (turn % 40 === 0) await knock(server);
    await pause(60 + 50 * Math.sin(Date.now() / 21_000) + 30 * Math.random());
  }
}

/** A client with a key that no app has. */
async function knock(server) {
  const headers = { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13', 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==' };
  const [, socket] = await once(get(`${server.url}/app/old-key?protocol=7`, { headers }), 'upgrade');
  socket.destroy();
}

function connect({ server }, at) {
  const options = { cluster: '', wsHost: server.host, wsPort: server.port, forceTLS: false, enabledTransports: ['ws'] };
  const client = new Pusher(APP.key, options);
  CHANNELS.slice(0, 1 + (at % CHANNELS.length)).forEach((channel) => client.subscribe(channel));
  return client;
}

const made = await startConsole({ internal: { payloads: 'full' } });
const browser = await launch();
try {
  const [node] = made.nodes;
  const clients = Array.from({ length: CLIENTS }, (_, at) => connect(node, at));
  const end = Date.now() + MINUTES * 60_000;
  const sent = traffic(node, end);
  // Shortly before the end, so that the pages show what comes.
  await pause(Math.max(0, end - Date.now() - 12_000));
  for (const [name, page, colorScheme, deviceScaleFactor] of SHOTS) {
    const context = await browser.newContext({ colorScheme, viewport: WIDE, deviceScaleFactor, reducedMotion: 'reduce', locale: 'en-GB' });
    const tab = await context.newPage();
    await tab.goto(`${node.url}#token=${TOKEN}&/${page}`);
    await tab.waitForSelector(`.page-${page} > *`, { state: 'attached' });
    await pause(4000);
    await tab.screenshot({ path: `${IMAGES}${name}.png` });
    await context.close();
  }
  await sent;
  clients.forEach((client) => client.disconnect());
} finally {
  await browser.close();
  await made.dispose();
}
process.exit(0);
