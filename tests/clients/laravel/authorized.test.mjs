// Owns the recipe of config/laravel.md by which channels are authorized without PHP: its configuration, its PHP and the options of its page,
// each read from there.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Application, freePort, Inbox, reverbEnv, state, subscribed } from '../harness.mjs';

const GUIDE = fileURLToPath(new URL('../../../config/laravel.md', import.meta.url));
const PRINTER = fileURLToPath(new URL('../../laravel/realtime_token.php', import.meta.url));
const SECRET = '0123456789abcdef0123456789abcdef';

/** The block of a language in the section with the recipe. */
function recipe(language) {
  const [section] = /## Channels authorized without PHP\n[^]*?\n## /.exec(readFileSync(GUIDE, 'utf8'));
  return new RegExp(`\`\`\`${language}\n([^]*?)\`\`\``).exec(section)[1];
}

describe('channels that are authorized by the recipe', () => {
  const shared = {};

  before(async () => {
    const port = await freePort();
    shared.application = new Application(reverbEnv(port, `REALTIME_SECRET=${SECRET}\n`));
    shared.application.configure(recipe('toml'));
    shared.server = await shared.application.serve(port, { arguments: ['--config', 'resound.toml'] });
  });
  after(() => shared.application?.dispose());

  /** The page of a user, with the token that the PHP of the recipe prints into it. */
  async function page(t, user) {
    const { stdout: token } = await promisify(execFile)('php', [PRINTER, GUIDE, JSON.stringify(user)], {
      env: { PATH: process.env.PATH, REALTIME_SECRET: SECRET },
    });
    const script = recipe('js').replaceAll('import.meta.env', 'env');
    const document = { querySelector: (selector) => (selector === 'meta[name="realtime-token"]' ? { content: token } : null) };
    const options = new Function('env', 'document', `return {${script}}`)(shared.application.vite, document);
    const echo = shared.application.echo(t, options);
    await state(echo.connector.pusher, 'connected');
    return echo;
  }

  test('are joined by the users whose claims permit them, and by no other', async (t) => {
    const ann = await page(t, { id: 7, organization_id: 3, name: 'Zoë' });
    const got = new Inbox('events');
    (await subscribed(ann.private('App.Models.User.7'))).listen('ServerUpdated', () => got.put('user'));
    (await subscribed(ann.private('orders.3'))).listen('ServerUpdated', () => got.put('orders'));
    const on = ['PrivateChannel:App.Models.User.7', 'PrivateChannel:orders.3'];
    await shared.application.broadcast([{ event: 'ServerUpdated', on }]);
    assert.deepEqual([...(await got.until(2))].sort(), ['orders', 'user']);
    for (const channel of ['App.Models.User.8', 'orders.4', 'anything']) {
      const refused = new Inbox('error()');
      ann.private(channel).error(refused.put);
      assert.equal((await refused.until(1))[0].status, 403, channel);
    }
  });

  test('have members with the id and the name of their token', async (t) => {
    const ann = await page(t, { id: 7, organization_id: 3, name: 'Zoë' });
    const joining = new Inbox('joining');
    (await subscribed(ann.join('team.3'))).joining(joining.put);
    const bob = await page(t, { id: 8, organization_id: 3, name: 'Bob' });
    const here = new Inbox('here');
    bob.join('team.3').here(here.put);
    const [members] = await here.until(1);
    assert.deepEqual(members.map(({ name }) => name).sort(), ['Bob', 'Zoë']);
    assert.deepEqual(await joining.until(1), [{ name: 'Bob' }]);
    assert.deepEqual(Object.keys(bob.connector.channels['presence-team.3'].subscription.members.members).sort(), ['7', '8']);
  });
});
