// Owns the slow mode of the browser suites: CONSOLE_SLOW=MS delays each answer of the internal API by up to so many milliseconds and
// gives the browser a sixth of its CPU. CONSOLE_SLOW_SEED chooses the delays.

import { setTimeout as pause } from 'node:timers/promises';
import { random } from './random.mjs';

const MOST_MS = Number(process.env.CONSOLE_SLOW ?? 0);
const SEED = Number(process.env.CONSOLE_SLOW_SEED ?? 1);
const CPU_PARTS = 6;

const slowed = new Set();

/** Slows a page down; without the variable it does nothing. Routes that a test adds itself come first, and `fallback()` to this one. */
export async function slowDown(page) {
  if (!MOST_MS || slowed.has(page)) return;
  slowed.add(page);
  const next = random(SEED + slowed.size);
  await page.route('**/internal/v1**', async (route) => {
    await pause(next(MOST_MS));
    // The page may be gone by then.
    await route.continue().catch(() => {});
  });
  const session = await page.context().newCDPSession(page);
  await session.send('Emulation.setCPUThrottlingRate', { rate: CPU_PARTS });
}
