// Dawn's bindings for Node look for finished work by `setImmediate` for as long as any promise of theirs is pending: a hundred
// thousand times a second, most of a core. A software adapter computes on that core, so there they look once a millisecond. On a GPU
// that may be longer than what is waited for: there they look as they do for some milliseconds first.

type Callback = (...args: never[]) => void;
type Immediate = typeof globalThis.setImmediate;

const PAUSE_MS = 1;
// A look later than this behind the last one is the first of another wait.
const GAP_MS = 2 * PAUSE_MS;
/** How long Dawn looks without a pause where nothing is gained by one. */
export const GPU_PATIENCE_MS = 4;
let isPaced = false;

/**
 * From now on Dawn looks for finished work of this process once a millisecond, in each wait when it has looked for `patienceMs`
 * without a pause. Nobody else's `setImmediate` changes. The first call counts.
 */
export function paceTicks(patienceMs: number): void {
  if (isPaced) return;
  isPaced = true;
  globalThis.setImmediate = pacedImmediate(globalThis.setImmediate, patienceMs);
}

/** A `setImmediate` under which Dawn's callbacks wait as said, and all others do as under the given one. */
export function pacedImmediate(immediate: Immediate, patienceMs: number): Immediate {
  let beganMs = Number.NEGATIVE_INFINITY;
  let lastMs = Number.NEGATIVE_INFINITY;
  const paced = (callback: Callback, ...args: never[]) => {
    if (!isDawns(callback)) return immediate(callback, ...args);
    const nowMs = performance.now();
    if (nowMs - lastMs > GAP_MS) beganMs = nowMs;
    lastMs = nowMs;
    if (nowMs - beganMs < patienceMs) return immediate(callback, ...args);
    return setTimeout(callback, PAUSE_MS, ...args);
  };
  // With what belongs to the function, such as its promise. Dawn makes no use of what is returned.
  return Object.assign(paced, immediate) as unknown as Immediate;
}

/** Whether a callback is one of the bindings': a function of native code without a name. */
export function isDawns(callback: Callback): boolean {
  return (
    callback.name === "" && Function.prototype.toString.call(callback).includes("[native code]")
  );
}
