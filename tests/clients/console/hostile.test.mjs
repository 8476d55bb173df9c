// Owns hostile texts on every page: each text of each answer of the internal API gets markup in front of its name, and what
// the page shows of it is text. That real clients bring such texts along is tested beside the pages themselves.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { get } from 'node:http';
import { describe, test } from 'node:test';
import { APP, consoleWorld } from '../harness/console.mjs';
import { connectPusher, startBackend, subscribed, webhooks } from '../harness.mjs';
import { until } from '../harness/until.mjs';

/** Ends attributes and elements that it stands in; whatever is made of it sets `hacked`. It has no space, so it is one segment of an address. */
const MARKUP = '"><img/src=x/onerror=hacked=1><svg/onload=hacked=1><script>hacked=1</script>';

/** Fields by which a page decides what it shows; the server chooses them from a list of its own. */
const KEPT = ['kind', 'rights', 'payloads', 'outcome'];

/** Runs in the page: spoils each text that is read from an answer, and takes the markup out of what is sent. */
function spoil({ markup, kept }) {
  const spoiled = (value, name) => {
    if (typeof value === 'string') return kept.includes(name) ? value : `${value}${markup}${name}`;
    if (Array.isArray(value)) return value.map((one) => spoiled(one, name));
    if (value === null || typeof value !== 'object') return value;
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, spoiled(one, key)]));
  };
  const clean = (text) => {
    // The form in JSON first: the plain one is a part of it.
    const marks = [JSON.stringify(markup).slice(1, -1), markup, encodeURIComponent(markup)];
    return marks.reduce((rest, mark) => rest.split(mark).map((part, at) => (at ? part.replace(/^\w+/, '') : part)).join(''), text);
  };
  const { fetch, JSON: json } = window;
  const [parse, read] = [json.parse, Response.prototype.json];
  window.violations = [];
  document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) => window.violations.push(`${violatedDirective} ${blockedURI}`));
  json.parse = (text) => spoiled(parse(text), 'text');
  Response.prototype.json = async function () {
    return spoiled(await read.call(this), 'text');
  };
  window.fetch = (url, init) => fetch(clean(String(url)), init?.body ? { ...init, body: clean(init.body) } : init);
}

describe('hostile texts', () => {
  const receiver = webhooks();
  const endpoint = receiver.endpoint({ events: ['channel_occupied'] });
  const world = consoleWorld({ count: 2, app: () => receiver.app(), internal: { payloads: 'full' }, sections: { webhooks: { retry_for_seconds: 1 } } });

  /** A page with spoiled answers. */
  const spoiledTab = (t, page) => world.open(t, { page, script: [spoil, { markup: MARKUP, kept: KEPT }], tolerated: [/status of 40[04]/] });

  /** Waits until the page shows the spoiled text of each of these fields, then checks that all of it is text. */
  async function shows(tab, fields) {
    let missing = fields;
    const areShown = async () => {
      // What is folded is no text of the page until it is opened.
      await tab.page.evaluate(() => document.querySelectorAll('details').forEach((one) => (one.open = true)));
      const text = await tab.text();
      missing = fields.filter((field) => !text.includes(`${MARKUP}${field}`));
      return missing.length === 0;
    };
    await until(areShown, () => `the texts of ${missing.join(', ')}`);
    await tab.checkTextOnly();
    assert.deepEqual(await tab.page.evaluate(() => window.violations), []);
  }

  /** A client that is a member, an event, a refusal and a call that was given up: each page has something to show. */
  async function happen(t, room) {
    endpoint.answers = Array(9).fill(500);
    const [{ server, pusher }] = world.nodes;
    const backend = await startBackend(server);
    t.after(() => backend.stop());
    const client = await connectPusher(t, { server, backend }, 'ann');
    await subscribed(client.subscribe(room));
    client.subscribe('not a channel');
    const headers = { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': 13, 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==', origin: 'https://shop.example' };
    const [, socket] = await once(get(`${server.url}/app/no-such-key?protocol=7`, { headers }), 'upgrade');
    socket.destroy();
    await pusher.trigger('nowhere', 'Missed', { id: 7 });
    return { client, pusher };
  }

  /** What each page shows of its answers, once it has something to show. */
  const PAGES = [
    { page: 'overview', fields: ['node'] },
    { page: 'cluster', fields: ['node', 'version', 'address'] },
    { page: `channels/${APP.id}`, fields: ['channel', 'type'] },
    { page: `channels/${APP.id}/presence-room`, fields: ['user_id', 'user_info', 'socket', 'library', 'version', 'sentence'] },
    { page: 'sockets', fields: ['socket', 'address', 'library', 'version'] },
    { page: 'refused', fields: ['part', 'reason', 'remedy', 'app', 'node', 'channel', 'socket', 'client', 'origin', 'cause'] },
    { page: 'webhooks', fields: ['app', 'node', 'url', 'events', 'kinds', 'cause'] },
    { page: 'apps', fields: ['key', 'secret', 'id', 'url', 'events'] },
  ];

  test('are text on each page, whatever field they are in', async (t) => {
    const { client } = await happen(t, 'presence-room');
    await until(async () => (await world.node.api(`/apps/${APP.id}/webhooks`)).body.endpoints[0].given_up.length > 0 || (await world.nodes[1].api(`/apps/${APP.id}/webhooks`)).body.endpoints[0].given_up.length > 0, 'a call that is given up');
    const socket = { page: `sockets/${client.connection.socket_id}`, fields: ['app', 'node', 'address', 'library', 'protocol', 'channel', 'user_id'] };
    const tab = await spoiledTab(t, 'overview');
    for (const { page, fields } of [...PAGES, socket]) {
      await tab.show(page);
      await t.test(page, () => shows(tab, fields));
    }
  });

  test('are text on Live and in each explanation', async (t) => {
    const tab = await spoiledTab(t, 'live?payloads=full');
    await tab.untilStreamIsOpen();
    const { client, pusher } = await happen(t, 'presence-live');
    await pusher.trigger('presence-live', 'Shipped', { id: 7 }, { socket_id: client.connection.socket_id });
    await pusher.trigger('presence-live', 'Shipped', { id: 8 });
    client.disconnect();
    const kinds = { trigger: ['event', 'channels', 'node', 'data', 'source', 'sentence', 'receivers', 'curl', 'resound'], subscribed: ['user_id', 'socket', 'channel'], connected: ['client'], closed: ['by'], refused: ['part', 'cause'], webhook: ['url', 'result'] };
    // The newest is the first row, and the only trigger that a socket received.
    await until(async () => (await tab.page.locator('tr.kind-trigger').count()) === 3, 'a row for each trigger');
    for (const [kind, fields] of Object.entries(kinds)) {
      await tab.page.locator(`tr.kind-${kind} button`).first().click();
      await shows(tab, fields);
    }
  });

  test('are text in the forms of Publish, in their answers and in what a client receives', async (t) => {
    const tab = await spoiledTab(t, `publish?channel=${encodeURIComponent('presence-room')}`);
    const publish = tab.page.getByRole('button', { name: 'Publish', exact: true });
    await until(() => publish.isEnabled(), 'the form being ready');
    await tab.page.getByRole('button', { name: 'Subscribe' }).click();
    await shows(tab, ['frame']);
    await publish.click();
    await shows(tab, ['channel', 'sentence', 'listen']);
    await tab.page.getByLabel('Channel', { exact: true }).fill('not a channel');
    await publish.click();
    await shows(tab, ['error']);
  });

  test('are text in what the doctor finds and prints', async (t) => {
    const tab = await spoiledTab(t, 'doctor');
    const run = tab.page.getByRole('button', { name: 'Run the checks' });
    // Nothing listens at the port of the first one, and the second one is no origin of this app.
    await tab.page.getByLabel('Public URL').fill('http://127.0.0.1:9');
    await run.click();
    await shows(tab, ['id', 'title', 'summary', 'says', 'seen', 'text']);
    // No spoiled answer, but what the server itself makes of hostile values.
    const plain = await world.open(t, { page: 'doctor', tolerated: [/status of 400/] });
    await plain.page.locator('form.checkup').evaluate((form) => form.setAttribute('novalidate', ''));
    await plain.page.evaluate(() => (window.violations = []));
    for (const [label, value] of [['Public URL', `https://${MARKUP}.example`], ['Origin of the pages', `https://${MARKUP}`]]) {
      await plain.page.getByLabel(label).fill(value);
      await plain.page.getByRole('button', { name: 'Run the checks' }).click();
      await plain.page.locator('.notice.bad, .checkup-head').first().waitFor();
      await shows(plain, []);
      await plain.page.getByLabel(label).fill('');
    }
  });

  test('are text where an operator types them', async (t) => {
    const tab = await world.open(t, { page: `publish?app=${APP.id}&channel=${encodeURIComponent(MARKUP)}&event=${encodeURIComponent(MARKUP)}`, tolerated: [/status of 400/] });
    await tab.page.evaluate(() => (window.violations = []));
    await tab.page.getByLabel('Data').fill(MARKUP);
    await tab.page.getByRole('button', { name: 'Add to a batch' }).click();
    const publish = tab.page.getByRole('button', { name: 'Publish', exact: true });
    await until(() => publish.isEnabled(), 'the form being ready');
    await publish.click();
    await tab.page.locator('.results .notice.bad').waitFor();
    await tab.page.getByLabel('User id').fill(MARKUP);
    await tab.page.getByLabel('Origin').fill(`https://${MARKUP}`);
    await tab.page.getByRole('button', { name: 'Subscribe' }).click();
    await tab.untilText('subscription_error');
    await shows(tab, ['']);
    for (const page of [`channels/${APP.id}/${encodeURIComponent(MARKUP)}`, `sockets/${encodeURIComponent(MARKUP)}`, encodeURIComponent(MARKUP)]) {
      await tab.show(page);
      await tab.page.locator('h1').waitFor();
      await until(async () => (await tab.page.locator('.empty, .notice.bad').count()) > 0 || (await tab.text()).includes(MARKUP), `something on ${page}`);
      await shows(tab, []);
    }
  });
});
