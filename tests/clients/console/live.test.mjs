// Owns the page Live: rows, filters, pause and clear, the keyboard, payloads, what can be copied, a fast stream, hostile texts.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import Pusher from 'pusher-js';
import { APP, consoleWorld } from '../harness/console.mjs';
import { until } from '../harness/until.mjs';

const HOSTILE = '<img src=x onerror="window.hacked=1">';

describe('the page Live', () => {
  const world = consoleWorld({ internal: { payloads: 'full' } });

  async function live(t, query = '') {
    const tab = await world.open(t, { page: `live${query}` });
    await tab.untilStreamIsOpen();
    return tab;
  }

  const rows = (tab, text) => tab.page.locator('tr.live-row', { hasText: text });
  const publish = (channel, event, data = {}, options) => world.node.pusher.trigger(channel, event, data, options);

  /** A client of pusher-js that is subscribed. */
  async function subscriber(t, channel, member) {
    const { host, port } = world.node.server;
    const customHandler = ({ socketId, channelName }, done) => done(null, world.node.pusher.authorizeChannel(socketId, channelName, member));
    const client = new Pusher(APP.key, { wsHost: host, wsPort: port, forceTLS: false, enabledTransports: ['ws'], cluster: 'x', channelAuthorization: { customHandler } });
    t.after(() => client.disconnect());
    const subscription = client.subscribe(channel);
    await until(() => subscription.subscribed, `${channel} being subscribed`);
    return client;
  }

  test('says what to do while nothing has happened, and shows what does', async (t) => {
    const tab = await live(t);
    await tab.untilText('Nothing has happened yet');
    await tab.checkAxe();
    const client = await subscriber(t, 'private-orders.7');
    await publish('private-orders.7', 'App\\Events\\Shipped', { id: 7 });
    await rows(tab, 'Shipped').first().waitFor();
    for (const text of ['Connected', 'Subscribed', `socket ${client.connection.socket_id}`, '1 subscriber', 'Delivered']) await tab.untilText(text);
    await rows(tab, 'Shipped').first().click();
    await tab.untilText('Received by 1 socket');
    await tab.checkAxe();
    await tab.checkNarrow();
    await tab.screenshots('live-explanation');
  });

  test('filters by outcome, channel and kind, which stand in the address', async (t) => {
    const tab = await live(t);
    await tab.page.getByRole('button', { name: 'No receiver', exact: true }).click();
    await tab.page.getByLabel('Channel').fill('kept.*');
    await until(async () => (await tab.page.evaluate(() => location.hash)) === '#/live?channel=kept.*&outcome=missed', 'the filters in the address');
    await tab.untilStreamIsOpen();
    await publish('other.1', 'hidden');
    await publish('kept.1', 'shown');
    await rows(tab, 'shown').first().waitFor();
    assert.equal(await rows(tab, 'hidden').count(), 0);
    await tab.page.reload();
    assert.equal(await tab.page.getByLabel('Channel').inputValue(), 'kept.*');
    assert.equal(await tab.page.getByRole('button', { name: 'No receiver', exact: true }).getAttribute('aria-pressed'), 'true');
  });

  test('pauses, counts what came meanwhile, continues, and is cleared', async (t) => {
    const tab = await live(t, '?kind=trigger');
    await publish('a', 'before');
    await rows(tab, 'before').first().waitFor();
    await tab.page.getByRole('button', { name: 'Pause' }).click();
    await publish('a', 'meanwhile');
    await tab.untilText('1 new row: continue');
    assert.equal(await rows(tab, 'meanwhile').count(), 0);
    await tab.page.getByRole('button', { name: '1 new row: continue' }).click();
    await rows(tab, 'meanwhile').first().waitFor();
    await tab.page.getByRole('button', { name: 'Clear' }).click();
    await tab.untilText('Nothing that fits the filters has happened yet');
    assert.equal(await tab.page.locator('tr.live-row').count(), 0);
  });

  test('is used by the keyboard: arrows, Enter, Escape', async (t) => {
    const tab = await live(t, '?kind=trigger');
    await publish('a', 'older');
    await publish('a', 'newer');
    await rows(tab, 'newer').first().waitFor();
    await rows(tab, 'newer').first().getByRole('button').focus();
    await tab.page.keyboard.press('ArrowDown');
    await tab.page.keyboard.press('Enter');
    await tab.untilText('0 on a');
    assert.equal(await tab.page.locator('.panel-name').innerText(), 'older');
    await tab.page.keyboard.press('Escape');
    assert.ok(await rows(tab, 'older').first().getByRole('button').evaluate((one) => one === document.activeElement), 'the row has the focus again');
  });

  test('masks payloads unless they are asked for, and folds long ones', async (t) => {
    const tab = await live(t, '?kind=trigger');
    const data = { name: 'Ann Example', lines: Array.from({ length: 20 }, (_, line) => line) };
    await publish('a', 'masked', data);
    await rows(tab, 'masked').first().click();
    await tab.untilText('"name": string(11)');
    await tab.page.getByRole('button', { name: 'Copy as curl' }).click();
    await tab.page.getByRole('button', { name: 'Copied' }).waitFor();
    const copied = await tab.page.evaluate(() => navigator.clipboard.readText());
    assert.match(copied, /^# The payload is masked, and \{\} stands for it: choose full for Payload on the page Live/);
    await tab.page.getByLabel('Payload').first().selectOption('full');
    await tab.untilStreamIsOpen();
    await publish('a', 'whole', data);
    await rows(tab, 'whole').first().click();
    await tab.untilText('"name": "Ann Example"');
    await tab.untilText('more lines');
  });

  test('copies an event as a command that works, without a key or a secret', async (t) => {
    const tab = await live(t, '?kind=trigger&payloads=full');
    await publish('private-orders.7', 'App\\Events\\Shipped', { price: '$(id) it\'s' });
    await rows(tab, 'Shipped').first().click();
    await tab.untilText('Copy as curl');
    const copied = {};
    for (const name of ['curl', 'resound trigger', 'Echo listener', 'PHP event']) {
      await tab.page.getByRole('button', { name: `Copy as ${name}` }).click();
      await tab.page.getByRole('button', { name: 'Copied' }).waitFor();
      copied[name] = await tab.page.evaluate(() => navigator.clipboard.readText());
      assert.ok(!copied[name].includes(APP.secret) && !copied[name].includes(APP.key), copied[name]);
      await until(async () => (await tab.page.getByRole('button', { name: 'Copied' }).count()) === 0, 'the button having its name again');
    }
    assert.equal(copied['Echo listener'], "Echo.private('orders.7')\n    .listen('Shipped', (event) => console.log(event));");
    assert.match(copied['PHP event'], /class Shipped implements ShouldBroadcastNow/);
    assert.match(copied['resound trigger'], /^resound trigger private-orders\.7 'App\\Events\\Shipped' '/);
    const { host, port } = world.node.server;
    const env = { PATH: process.env.PATH, REVERB_APP_KEY: APP.key, REVERB_APP_SECRET: APP.secret, REVERB_HOST: host, REVERB_PORT: String(port) };
    const { stdout } = await promisify(execFile)('sh', ['-c', copied.curl], { env });
    assert.equal(stdout, '{}');
    await until(async () => (await rows(tab, 'Shipped').count()) === 2, 'the event of the copied command');
  });

  test('a fast stream leaves rows out, says how many, and keeps 500', async (t) => {
    const tab = await live(t, '?kind=trigger');
    for (let request = 0; request < 70; request += 1) {
      await world.node.pusher.triggerBatch(Array.from({ length: 10 }, (_, at) => ({ channel: 'fast', name: `e${at}`, data: '{}' })));
    }
    await tab.untilText(/… \d+ rows left out/);
    assert.ok((await tab.page.locator('.live-table tbody tr').count()) <= 500);
  });

  test('texts of peers stay text', async (t) => {
    const tab = await live(t, '?payloads=full');
    await subscriber(t, 'presence-room', { user_id: HOSTILE, user_info: { name: HOSTILE } });
    await publish('presence-room', HOSTILE, { text: HOSTILE });
    const { host, port } = world.node.server;
    const refused = new Pusher(encodeURIComponent(HOSTILE), { wsHost: host, wsPort: port, forceTLS: false, enabledTransports: ['ws'], cluster: 'x' });
    t.after(() => refused.disconnect());
    await rows(tab, 'application').or(rows(tab, 'no app of this server')).first().waitFor();
    await rows(tab, HOSTILE).first().waitFor();
    for (const row of [rows(tab, 'no app of this server'), rows(tab, 'Event'), rows(tab, 'Subscribed')]) {
      await row.first().click();
      await tab.page.locator('.explanation > *').first().waitFor();
    }
    await tab.untilText(`user ${HOSTILE}`);
    assert.equal(await tab.page.evaluate(() => window.hacked), undefined);
    assert.equal(await tab.page.locator('img').count(), 0);
  });
});

describe('the page Live in a cluster', () => {
  const world = consoleWorld({ count: 2 });

  test('shows the rows of every node with their outcome', async (t) => {
    // A busy machine may need more than the half second in which nodes have to answer: the page asks again.
    const tab = await world.open(t, { page: 'live', tolerated: [/status of 503/] });
    await tab.untilStreamIsOpen();
    const shown = async (text) => (await tab.page.locator('tr.live-row', { hasText: text }).count()) > 0;
    // The other node takes part once it has learned that there is a viewer.
    await until(async () => {
      await world.nodes[1].pusher.trigger('orders', 'from the other node', {});
      return shown('from the other node');
    }, 'a row of the other node');
    await world.nodes[0].pusher.trigger('orders', 'from this node', {});
    await until(() => shown('from this node'), 'a row of this node');
    const names = await tab.page.locator('td.cell-node').allInnerTexts();
    assert.equal(new Set(names.filter(Boolean)).size, 2);
    await tab.page.locator('tr.live-row', { hasText: 'from the other node' }).first().click();
    await tab.untilText('0 on orders');
    await tab.page.locator('tr.live-row', { hasText: 'from this node' }).first().click();
    await tab.untilText('No receiver');
    await tab.checkAxe();
  });

  test('explains an event of either node with its receivers on each of them', async (t) => {
    const ids = await Promise.all(world.nodes.map(async ({ server: { host, port } }) => {
      const client = new Pusher(APP.key, { wsHost: host, wsPort: port, forceTLS: false, enabledTransports: ['ws'], cluster: 'x' });
      t.after(() => client.disconnect());
      const subscription = client.subscribe('parcels');
      await until(() => subscription.subscribed, 'parcels being subscribed');
      return client.connection.socket_id;
    }));
    const names = await Promise.all(world.nodes.map(async (node) => (await node.api('')).body.node));
    const tab = await world.open(t, { page: 'live?channel=parcels&kind=trigger,delivery', tolerated: [/status of 503/] });
    await tab.untilStreamIsOpen();
    const row = (kind, text) => tab.page.locator(`tr.live-row.kind-${kind}`, { hasText: text }).first();
    await until(async () => {
      await world.nodes[1].pusher.trigger('parcels', 'Warm', {});
      return (await row('trigger', 'Warm').count()) > 0;
    }, 'a row of the other node');
    /** What the panel has of each node; a node that was too busy to answer is asked again by another click. */
    const explained = (one, event) => until(async () => {
      await one.click();
      await tab.page.locator('.panel-name', { hasText: event }).waitFor();
      await tab.page.locator('.by-node, .explanation .notice.bad').first().waitFor();
      const texts = await Promise.all([0, 1].map((at) => onNode(at).allInnerTexts()));
      return texts.every(([text]) => text !== undefined) && texts.map(([text]) => text);
    }, `the receivers of ${event} on each node`);
    const onNode = (at) => tab.page.locator('.by-node > ul > li', { hasText: names[at] });
    for (const [at, except] of [[0, ids[1]], [1, undefined], [1, ids[1]]]) {
      const event = `Sent-${at}-${except ?? 'all'}`;
      await world.nodes[at].pusher.trigger('parcels', event, { id: at }, except && { socket_id: except });
      const rows = [row('trigger', event), row('delivery', event)];
      for (const one of rows) {
        const [here, there] = await explained(one, event);
        assert.ok(here.includes(ids[0]), here);
        assert.ok(!here.includes('subscribed now'), 'the receivers are those of the event');
        assert.equal(there.includes(ids[1]), except === undefined, there);
        if (except) assert.match(there, /no socket/);
      }
      await explained(rows[0], event);
      await tab.untilText('Copy as curl');
    }
    await tab.checkAxe();
    await tab.checkNarrow();
    await tab.screenshots('live-by-node');
  });
});
