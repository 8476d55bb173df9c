// The pages Channels and Sockets: what they list, one channel and one socket, what happens there, and closing sockets.

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { request } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { startBackend } from '../harness/backend.mjs';
import { connectPusher, signedIn, state, subscribed } from '../harness/clients.mjs';
import { consoleWorld, openTab, READ_ONLY_TOKEN } from '../harness/console.mjs';
import { until } from '../harness.mjs';

const HOSTILE = '<img src=x onerror=a()>';
const NOT_FOUND = [/status of 404/];

/** A socket of no library whose every field is markup, a member of `presence` if that is given; resolves with its id when it is open. */
async function hostileSocket(t, server, presence) {
  const { id, socket } = await openHostile(t, server);
  if (!presence) return id;
  const member = JSON.stringify({ user_id: HOSTILE, user_info: { name: HOSTILE } });
  const auth = createHmac('sha256', 'reverb-secret').update(`${id}:${presence}:${member}`).digest('hex');
  const message = JSON.stringify({ event: 'pusher:subscribe', data: { channel: presence, channel_data: member, auth: `reverb-key:${auth}` } });
  const head = Buffer.from([0x81, 0xfe, message.length >> 8, message.length & 255, 0, 0, 0, 0]);
  socket.write(Buffer.concat([head, Buffer.from(message)]));
  return id;
}

function openHostile(t, { host, port }) {
  const key = Buffer.from('0123456789abcdef').toString('base64');
  const headers = { upgrade: 'websocket', connection: 'Upgrade', 'sec-websocket-version': 13, 'sec-websocket-key': key, origin: `https://${HOSTILE}`, 'user-agent': HOSTILE };
  const path = `/app/reverb-key?protocol=7&client=${encodeURIComponent(HOSTILE)}&version=${encodeURIComponent(HOSTILE)}`;
  return new Promise((ready, failed) => {
    const upgrade = request({ host, port, path, headers });
    upgrade.on('error', failed);
    upgrade.on('upgrade', (_, socket, head) => {
      t.after(() => socket.destroy());
      socket.on('error', () => {});
      let text = head.toString();
      const look = () => text.includes('socket_id') && ready({ socket, id: /socket_id\\":\\"([\d.]+)/.exec(text)[1] });
      socket.on('data', (more) => ((text += more), look()));
      look();
    });
    upgrade.end();
  });
}

/** Registers a backend for the first server, with which clients sign. */
function withBackend(world) {
  before(async () => {
    world.backend = await startBackend(world.node.server);
    world.clients = { server: world.node.server, backend: world.backend };
  });
  after(() => world.backend?.stop());
}

/** No text of a peer has become an element. */
async function isText(tab) {
  assert.equal(await tab.page.locator('main img').count(), 0);
}

describe('the pages Channels and Sockets', () => {
  const world = consoleWorld({ internal: { payloads: 'full' } });
  withBackend(world);

  test('without clients each says what to do next', async (t) => {
    const tab = await world.open(t, { page: 'channels', tolerated: NOT_FOUND });
    await tab.untilText('No channel has a subscriber');
    await tab.show('sockets');
    await tab.untilText('No client is connected');
    await tab.page.getByRole('button', { name: 'Ended' }).click();
    await tab.untilText(/No socket has ended yet|closed it|connection was lost/);
    await tab.show('sockets/1.2');
    await tab.untilText('This socket is not known');
    await tab.untilText('it closed before the last 128 of each worker, or never opened');
  });

  test('channels are listed, searched and sorted, and their counts follow', async (t) => {
    const [one, other] = [await connectPusher(t, world.clients, 'ann'), await connectPusher(t, world.clients, 'bob')];
    await subscribed(one.subscribe('orders'));
    await subscribed(one.subscribe('presence-room'));
    await subscribed(one.subscribe('cache-prices'));
    const tab = await world.open(t, { page: 'channels' });
    await tab.untilText('3 channels');
    const cells = (/** @type {string} */ key) => tab.page.locator(`tr[data-key="${key}"] td`).allInnerTexts();
    assert.deepEqual(await cells('presence-room'), ['presence-room', 'presence', '1', '1', '–']);
    assert.deepEqual(await cells('cache-prices'), ['cache-prices', 'public cache', '1', '–', 'none']);
    await subscribed(other.subscribe('orders'));
    await until(async () => (await cells('orders'))[2] === '2', 'a second subscription');
    await tab.page.getByRole('button', { name: 'Subscriptions' }).click();
    const first = () => tab.page.locator('tbody tr').first().getAttribute('data-key');
    assert.equal(await first(), 'orders');
    await tab.page.getByLabel('Search channels').fill('ROOM');
    await tab.untilText('1 channel');
    assert.equal(await first(), 'presence-room');
    await tab.checkAxe();
    await tab.checkNarrow();
    await tab.page.getByLabel('Search channels').fill('nothing');
    await tab.untilText('No channel has that in its name');
    await tab.page.getByRole('button', { name: 'Show all' }).click();
    await tab.untilText('3 channels');
    await tab.screenshots('channels-full');
    await tab.page.getByRole('link', { name: 'orders' }).click();
    await tab.untilText('Subscribers on this node');
    assert.equal(await tab.page.locator('h1').innerText(), 'orders');
  });

  test('a channel shows its members, its cached event, what happens, and what happened', async (t) => {
    const name = 'presence-cache-room';
    await world.backend.pusher.trigger(name, 'Early', { text: 'nobody there' });
    await hostileSocket(t, world.node.server, name);
    const tab = await world.open(t, { page: `channels/123456/${name}` });
    await tab.untilStreamIsOpen();
    await tab.untilText(HOSTILE);
    await tab.untilText('no socket received `Early`');
    await world.backend.pusher.trigger(name, HOSTILE, { text: HOSTILE });
    await tab.untilText('delivered');
    await until(async () => (await tab.page.locator('.facts').innerText()).includes('{"text": string(23)}'), 'the cached event, masked');
    await tab.page.getByRole('button', { name: 'Pause' }).click();
    await isText(tab);
    await tab.checkAxe();
    await tab.checkNarrow();
    await tab.screenshots('channel');
    await tab.page.getByRole('button', { name: 'Clear' }).click();
    assert.equal(await tab.page.locator('.happenings .lines li').count(), 0);
  });

  test('sockets are found by id, user, address, channel and client', async (t) => {
    const ann = await connectPusher(t, world.clients, 'ann');
    await signedIn(ann);
    const bob = await connectPusher(t, world.clients, 'bob');
    await subscribed(bob.subscribe('orders.7'));
    const hostile = await hostileSocket(t, world.node.server);
    const tab = await world.open(t, { page: 'sockets' });
    const search = tab.page.getByLabel('Search sockets');
    const found = () => tab.page.locator('tbody tr').evaluateAll((lines) => lines.map((line) => line.dataset.key).sort());
    const [annId, bobId] = [ann.connection.socket_id, bob.connection.socket_id];
    for (const [text, ids] of [[annId, [annId]], ['ann', [annId]], ['orders.7', [bobId]], ['onerror', [hostile]], ['127.0.0.', [annId, bobId, hostile].sort()]]) {
      await search.fill(text);
      await until(async () => JSON.stringify(await found()) === JSON.stringify(ids), () => `sockets of ${text}`);
    }
    await isText(tab);
    await tab.checkAxe();
    await tab.checkNarrow();
    await tab.screenshots('sockets-full');
    await search.fill('onerror');
    await until(async () => (await found()).length === 1, 'one socket');
    await tab.page.getByRole('link', { name: hostile }).click();
    await tab.untilText('User agent');
    const text = await tab.text();
    assert.ok(text.split(HOSTILE).length >= 4, 'library, version, origin and user agent');
    await isText(tab);
    await tab.checkAxe();
  });

  test('a socket shows where it comes from and what reaches it, and is closed after a question', async (t) => {
    const pusher = await connectPusher(t, world.clients, 'ann');
    await subscribed(pusher.subscribe('presence-room'));
    const id = pusher.connection.socket_id;
    const tab = await world.open(t, { page: `sockets/${id}` });
    await tab.untilStreamIsOpen();
    await tab.untilText('presence-room');
    for (const part of ['Client library', 'js', '127.0.0.1', 'without TLS at this server', 'ann']) await tab.untilText(part);
    await world.backend.pusher.trigger('presence-room', 'Said', { text: 'hello' });
    await world.backend.pusher.trigger('elsewhere', 'Other', {});
    await tab.untilText('Said');
    assert.ok(!(await tab.text()).includes('Other'), 'events of other channels are not of this socket');
    await tab.checkAxe();
    await tab.checkNarrow();
    await tab.screenshots('socket');
    await tab.page.getByRole('button', { name: 'Close this socket' }).click();
    const dialog = tab.page.getByRole('dialog');
    await tab.checkAxe();
    await dialog.getByRole('button', { name: 'Cancel' }).click();
    assert.equal(pusher.connection.state, 'connected');
    await tab.page.getByRole('button', { name: 'Close this socket' }).click();
    await dialog.getByRole('button', { name: 'Close this socket' }).click();
    await tab.untilText('The socket is closed.');
    await tab.untilText('The server closed it with 4009 (terminated)');
    await until(() => pusher.connection.state !== 'connected', 'the client noticing');
    const logged = () => world.node.server.log.split('\n').filter((line) => line.includes('a change was requested at the internal listener') && line.includes(`/internal/v1/sockets/${id}/terminate`));
    await until(() => logged().length === 1, 'the one line of the log');
    assert.match(logged()[0], /client="?127\.0\.0\.1/);
    await tab.show('sockets?state=closed');
    await tab.page.getByRole('link', { name: id }).waitFor();
    await tab.checkAxe();
    await tab.screenshots('sockets-ended');
  });

  test('all sockets of a user are closed from the page of one', async (t) => {
    const [one, other] = [await connectPusher(t, world.clients, 'eve'), await connectPusher(t, world.clients, 'eve')];
    await Promise.all([signedIn(one), signedIn(other)]);
    const tab = await world.open(t, { page: `sockets/${one.connection.socket_id}` });
    await tab.page.getByRole('button', { name: 'Close all of this user' }).click();
    await tab.page.getByRole('dialog').getByRole('button', { name: 'Close all of this user' }).click();
    await tab.untilText('The sockets of user eve are closed: 2 on this node.');
    await until(() => [one, other].every((pusher) => pusher.connection.state !== 'connected'), 'both noticing');
    const logged = () => world.node.server.log.split('\n').filter((line) => line.includes('/internal/v1/apps/123456/users/eve/terminate'));
    await until(() => logged().length === 1, 'the one line of the log');
  });

  test('the read-only token closes nothing', async (t) => {
    const pusher = await connectPusher(t, world.clients, 'ann');
    await subscribed(pusher.subscribe('presence-room'));
    const id = pusher.connection.socket_id;
    const tab = await world.open(t, { page: `sockets/${id}`, token: READ_ONLY_TOKEN });
    await tab.untilText('presence-room');
    assert.equal(await tab.page.getByRole('button', { name: /^Close/ }).count(), 0);
    await tab.show('channels/123456/presence-room');
    await tab.untilText('Members');
    assert.equal(await tab.page.getByRole('button', { name: /^Close/ }).count(), 0);
    for (const path of [`/sockets/${id}/terminate`, '/apps/123456/users/ann/terminate']) {
      assert.equal((await world.node.api(path, { method: 'POST', token: READ_ONLY_TOKEN })).status, 403, path);
    }
    await state(pusher, 'connected');
  });
});

describe('the pages Channels and Sockets of two nodes', () => {
  const world = consoleWorld({ count: 2 });
  withBackend(world);

  test('counts are of both nodes, wherever one looks', async (t) => {
    const [here, there] = world.nodes;
    const backend = world.backend;
    const one = await connectPusher(t, { server: here.server, backend }, 'ann');
    const other = await connectPusher(t, { server: there.server, backend }, 'bob');
    await Promise.all([subscribed(one.subscribe('presence-room')), subscribed(other.subscribe('presence-room'))]);
    const tab = await openTab(t, world.browser, { url: there.url, page: 'channels' });
    await until(async () => (await tab.page.locator('tr[data-key="presence-room"] td').allInnerTexts()).join() === 'presence-room,presence,2,1,2,–', 'counts of both nodes');
    await tab.show('channels/123456/presence-room');
    await tab.untilText('ann');
    await tab.untilText('bob');
    await tab.checkAxe();
    await tab.screenshots('channel-of-two');
    await tab.show('sockets');
    await tab.untilText('2 sockets');
    await tab.page.getByRole('link', { name: one.connection.socket_id }).click();
    await tab.untilText('presence-room');
    await tab.page.getByRole('button', { name: 'Close this socket' }).click();
    await tab.page.getByRole('dialog').getByRole('button', { name: 'Close this socket' }).click();
    await tab.untilText('The socket is closed.');
    await until(() => one.connection.state !== 'connected', 'the client of the other node noticing');
    const log = here.server.log.split('\n').filter((line) => line.includes('a change was requested by another node'));
    assert.equal(log.length, 1, 'the node of the socket names the one that asked');
  });
});
