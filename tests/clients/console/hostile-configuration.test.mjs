// Owns a configuration whose own values are hostile: the id of an app, the addresses of two Redis, and what the doctor says of a
// file that is refused. What the pages show of them is text, and the log has no sequence that a terminal would obey.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { APP, consoleWorld } from '../harness/console.mjs';
import { until } from '../harness.mjs';

/** Begins with what ends an attribute, then an element, a quote of each kind, and a sequence that clears a terminal. */
const MARKUP = '"><img src=x onerror=hacked=1>\'`\u001b[2J\u001b[31m';
/** All that an id may have: the entities are markup where a text is read as HTML. */
const ID = "7&lt;img!src=x!onerror=hacked=1&gt;'(hacked=1);$";

describe('a hostile configuration', () => {
  const world = consoleWorld({
    apps: [{ ...APP, id: ID }],
    sections: {
      cluster: { enabled: true, urls: [`unix:///nonexistent/${MARKUP}`, `redis+sentinel://127.0.0.1:9/${MARKUP.replaceAll('/', '')}`] },
    },
  });

  /** What a page shows of a text: white space is folded, and a control character has no glyph. */
  const bare = (text) => text.replaceAll('\u001b', '').replace(/\s+/g, ' ');

  async function showsText(tab, wanted) {
    await until(async () => {
      await tab.page.evaluate(() => document.querySelectorAll('details').forEach((one) => (one.open = true)));
      const text = bare(await tab.page.evaluate(() => document.body.textContent));
      return wanted.every((one) => text.includes(bare(one)));
    }, () => `the texts ${wanted.join(' and ')}`, 60_000);
    await tab.checkTextOnly();
  }

  test('is text on Cluster, Apps and Overview', async (t) => {
    const tab = await world.open(t, { page: 'cluster', tolerated: [/status of 503/] });
    const away = tab.page.getByText(/^Redis of partition \d is away from node/);
    await until(async () => (await away.count()) === 2, 'a sentence of each Redis', 60_000);
    await showsText(tab, [`unix:///nonexistent/${MARKUP}`, `redis+sentinel://127.0.0.1:9/${MARKUP}`]);
    const causes = await away.allInnerTexts();
    assert.ok(causes.some((text) => text.includes('correct cluster.urls[0]')), causes.join('\n'));
    assert.ok(causes.some((text) => text.includes('correct cluster.urls[1]')), causes.join('\n'));
    await tab.checkNarrow();
    await tab.show('apps');
    await showsText(tab, [ID]);
    await tab.checkNarrow();
    await tab.show('overview');
    await tab.untilText('Redis is away since');
    await tab.checkTextOnly();
    for (const page of ['channels', `channels/${encodeURIComponent(ID)}`, 'publish', 'webhooks']) {
      await tab.show(page);
      await tab.page.locator('.page > *').first().waitFor();
      await tab.checkTextOnly();
    }
    assert.ok(!world.node.server.log.includes('\u001b['), 'the log has control characters in their escaped form');
  });

  test('is text on Doctor, as is what it says of a file that is refused', async (t) => {
    const tab = await world.open(t, { page: 'doctor', tolerated: [/status of 503/] });
    const run = tab.page.getByRole('button', { name: 'Run the checks' });
    await run.click();
    await showsText(tab, ['The Redis of cluster.urls[0] cannot be used', 'The Redis of cluster.urls[1] cannot be used', `cluster.urls[0], unix:///nonexistent/${MARKUP.replaceAll('\u001b', '\\u{1b}')}`]);
    await tab.checkNarrow();
    const answered = (await world.node.api('/doctor', { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' })).body;
    assert.ok(JSON.stringify(answered).includes('[2J') && !JSON.stringify(answered).includes('\\u001b'), 'what is copied to a terminal has no sequence that it obeys');

    // An id that is refused is a part of the error.
    world.node.server.apps[0].id = MARKUP;
    world.node.server.writeConfiguration();
    await run.click();
    await showsText(tab, ['apps[0].id', 'onerror=hacked=1']);
  });
});
