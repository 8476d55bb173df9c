// Owns that no process which a suite starts outlives the suite, whatever way that ends.

const running = new Set();
process.once('exit', () => running.forEach((child) => child.kill('SIGKILL')));

/** Ends a process that is no child of this one, if it still runs, when this process ends. */
export function endProcessWithUs(pid) {
  running.add({ kill: (signal) => isRunning(pid) && process.kill(pid, signal) });
}

function isRunning(pid) {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** Ends `child`, if it still runs, when this process ends. */
export function endWithUs(child) {
  running.add(child);
  child.once('exit', () => running.delete(child));
  return child;
}
