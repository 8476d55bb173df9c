// Owns copying where the browser gives no clipboard: over plain http at a name that is not this machine's, and with the permission denied.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { APP, consoleWorld, launch, openTab } from '../harness/console.mjs';

const NAME = 'console.test';

describe('copy buttons', () => {
  const world = consoleWorld({ internal: { hosts: [NAME] } });

  /** What a paste by the keyboard puts into a field. */
  async function pasted(tab) {
    await tab.show('publish');
    const data = tab.page.getByLabel('Data');
    await data.fill('');
    await data.focus();
    await tab.page.keyboard.press('Control+V');
    return data.inputValue();
  }

  async function copies(tab) {
    await tab.untilText(`App ${APP.id}`);
    const button = tab.page.getByRole('button', { name: 'Copy the key' });
    await button.focus();
    await tab.page.keyboard.press('Enter');
    await tab.page.getByRole('button', { name: 'Copied' }).waitFor();
    assert.equal(await tab.page.evaluate(() => document.activeElement.textContent), 'Copied', 'the focus stays');
    assert.equal(await pasted(tab), APP.key);
  }

  test('work over plain http at another name than localhost', async (t) => {
    const browser = await launch(`--host-resolver-rules=MAP ${NAME} 127.0.0.1`);
    t.after(() => browser.close());
    const url = world.node.url.replace('127.0.0.1', NAME);
    const tab = await openTab(t, browser, { url, page: 'apps', tolerated: ['Cross-Origin-Opener-Policy'] });
    assert.equal(await tab.page.evaluate(() => navigator.clipboard), undefined);
    await copies(tab);
  });

  test('work where the browser refuses its clipboard', async (t) => {
    const refuse = () => {
      navigator.clipboard.writeText = () => Promise.reject(new DOMException('Write permission denied.', 'NotAllowedError'));
    };
    await copies(await world.open(t, { page: 'apps', script: [refuse] }));
  });
});
