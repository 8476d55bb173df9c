// The console below a path of a site of Nginx, as config/README.md has it, with the buffers of Nginx on.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { get } from 'node:http';
import { describe, test } from 'node:test';
import { consoleWorld, TOKEN } from '../harness/console.mjs';
import { startNginx } from '../nginx/harness.mjs';

const GUIDE = readFileSync(new URL('../../../docker/README.md', import.meta.url), 'utf8');

/** The location of the guide for the internal listener of a node, in a site of its own. */
function site(port, { server, root }) {
  const [location] = /location \/ops\/resound\/ \{[\s\S]*?\n\}/.exec(GUIDE) ?? assert.fail('no location in docker/README.md');
  const own = location.replace('http://127.0.0.1:9600/', `${root}/`);
  assert.notEqual(own, location);
  return `server { listen 127.0.0.1:${port};\nproxy_buffering on;\nlocation = /up { proxy_pass ${server.url}; }\n${own}\n}`;
}

describe('behind Nginx, below a path', () => {
  const world = consoleWorld({ internal: { hosts: ['ops.example.com'] }, sections: { server: { proxies: ['127.0.0.1'] } } });

  test('the page, its data and its stream arrive, and a slash may be missing', async (t) => {
    const nginx = await startNginx([world.node.server], { site: (port) => site(port, world.node) });
    t.after(() => nginx.stop());
    const tab = await world.open(t, { url: `${nginx.url}/ops/resound/console`, page: 'channels' });
    await tab.page.waitForSelector('.page-channels > *');
    assert.equal(await tab.page.evaluate(() => location.pathname), '/ops/resound/console/');
    const opened = await tab.page.evaluate(async (token) => {
      const answer = await fetch('../internal/v1/stream', { headers: { authorization: `Bearer ${token}` } });
      const reader = answer.body.getReader();
      const { value } = await reader.read();
      await reader.cancel();
      return new TextDecoder().decode(value);
    }, TOKEN);
    assert.equal(opened, '{"kind":"open","payloads":"masked"}\n');
    assert.ok(tab.requests.every((url) => url.startsWith(`${nginx.url}/ops/resound/`)), 'all requests go below the path');
    const status = await tab.page.evaluate(async (token) => (await fetch('../internal/v1/nothing', { method: 'POST', headers: { authorization: `Bearer ${token}` } })).status, TOKEN);
    assert.equal(status, 404, 'a change from the page itself passes the check of its origin');
    tab.errors.splice(0);
  });

  test('those who ask by the name of the site are admitted, others are not', async (t) => {
    const nginx = await startNginx([world.node.server], { site: (port) => site(port, world.node) });
    t.after(() => nginx.stop());
    // fetch sends no Host but that of the address.
    const ask = async (host) => {
      const asked = get(`${nginx.url}/ops/resound/internal/v1`, { headers: { host, authorization: `Bearer ${TOKEN}` } });
      const [answer] = await once(asked, 'response');
      return answer.resume().statusCode;
    };
    assert.equal(await ask('ops.example.com'), 200);
    assert.equal(await ask('rebound.example'), 403);
  });
});
