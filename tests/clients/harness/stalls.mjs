// Owns the time that all threads of a process share, and when this thread stood still: what a machine that is busy with something
// else takes away from a test is no delay of the server.

const LATE_MS = 50;
const stalls = [];
let last = clock();

setInterval(() => {
  const now = clock();
  if (now - last > LATE_MS) stalls.push({ at: now, ms: now - last });
  last = now;
}, LATE_MS / 5).unref();

/** Milliseconds. */
export function clock() {
  return performance.timeOrigin + performance.now();
}

/** For how many milliseconds since `began` this thread stood still. */
export function stallsSince(began) {
  return stalls.filter(({ at }) => at > began).reduce((sum, { ms }) => sum + ms, 0);
}
