// Owns the page Doctor: a run with its groups, a failure with its remedy, the report to copy, and the read-only token.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { consoleWorld, READ_ONLY_TOKEN } from '../harness/console.mjs';
import { freePort } from '../harness/server.mjs';

describe('the page Doctor', () => {
  const world = consoleWorld();

  /** Enter submits nothing while the button is disabled. */
  const isReady = (tab) => tab.page.getByRole('button', { name: 'Run the checks' }).click({ trial: true });

  test('runs the checks and shows them in groups', async (t) => {
    const tab = await world.open(t, { page: 'doctor' });
    await tab.untilText('Nothing is checked yet');
    await tab.page.getByRole('button', { name: 'Run the checks' }).click();
    await tab.untilText(/Passed \(\d+\)/, 60_000);
    await tab.untilText('An event makes the round trip at the server\'s own address.');
    await tab.untilText(/\d+ passed/);
    await tab.checkAxe();
    await tab.checkNarrow();
    await tab.screenshots('doctor-passed');
  });

  test('names what fails with the remedy, and copies the report of the command', async (t) => {
    const port = await freePort();
    const tab = await world.open(t, { page: 'doctor' });
    await tab.page.getByLabel('Public URL').fill(`http://127.0.0.1:${port}`);
    await isReady(tab);
    await tab.page.keyboard.press('Enter');
    const says = `Nothing listens on 127.0.0.1:${port}, where browsers connect to.`;
    await tab.untilText(says, 60_000);
    await tab.untilText('Something is wrong');
    await tab.untilText(/Not tried \(\d+\)/);
    await tab.checkAxe();
    await tab.checkNarrow();
    await tab.screenshots('doctor-failed');
    await tab.page.getByRole('button', { name: 'Copy the report' }).click();
    await tab.untilText('Copied');
    const copied = await tab.page.evaluate(() => navigator.clipboard.readText());
    assert.ok(copied.startsWith(`✗ R061  ${says}\n`), copied);
    assert.match(copied, /change {2}/);
  });

  test('an address that is none is refused with a sentence', async (t) => {
    const tab = await world.open(t, { page: 'doctor', tolerated: [/status of 400/] });
    await tab.page.getByLabel('Public URL').fill('https://');
    await tab.page.locator('form.checkup').evaluate((form) => form.setAttribute('novalidate', ''));
    await isReady(tab);
    await tab.page.keyboard.press('Enter');
    await tab.untilText('it must be like https://ws.example.com');
  });

  test('the read-only token has no button', async (t) => {
    const tab = await world.open(t, { page: 'doctor', token: READ_ONLY_TOKEN });
    await tab.untilText('so it needs internal.token');
    assert.equal(await tab.page.getByRole('button', { name: 'Run the checks' }).count(), 0);
    const { status, body } = await world.node.api('/doctor', { method: 'POST', token: READ_ONLY_TOKEN });
    assert.deepEqual([status, body], [403, { error: 'this token only reads; send that of internal.token to change something' }]);
  });
});
