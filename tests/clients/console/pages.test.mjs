// Every page of the console: in both themes, on a phone, and its size.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { consoleWorld, PAGES, TOKEN } from '../harness/console.mjs';

const WIRE_BYTES_MAX = 60 * 1024;

describe('each page of the console', () => {
  const world = consoleWorld();

  for (const name of PAGES) {
    test(`${name}: accessible in both themes, no wider than a phone, and at most 60 KB`, async (t) => {
      const tab = await world.open(t, { page: name });
      await tab.page.waitForSelector(`.page-${name} > *`, { state: 'attached' });
      await tab.checkAxe();
      await tab.checkNarrow();
      await tab.screenshots(name);
      const bytes = await wireBytes(world.browser, `${world.node.url}#token=${TOKEN}&/${name}`, name);
      t.diagnostic(`${name}: ${bytes} bytes on the wire`);
      assert.ok(bytes <= WIRE_BYTES_MAX, `${name} takes ${bytes} bytes`);
    });
  }
});

/** What a page takes on the wire, with headers, in a browser that has nothing of it yet. */
async function wireBytes(browser, url, name) {
  const context = await browser.newContext();
  const page = await context.newPage();
  const network = await context.newCDPSession(page);
  let bytes = 0;
  network.on('Network.loadingFinished', ({ encodedDataLength }) => (bytes += encodedDataLength));
  await network.send('Network.enable');
  await page.goto(url);
  await page.waitForSelector(`.page-${name} > *`, { state: 'attached' });
  await context.close();
  return Math.round(bytes);
}
