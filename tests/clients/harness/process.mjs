// Owns that no process which a suite starts outlives the suite, whatever way that ends.

const running = new Set();
process.once('exit', () => running.forEach((child) => child.kill('SIGKILL')));

/** Ends `child`, if it still runs, when this process ends. */
export function endWithUs(child) {
  running.add(child);
  child.once('exit', () => running.delete(child));
  return child;
}
