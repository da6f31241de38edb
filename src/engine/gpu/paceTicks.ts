// Dawn's bindings for Node look for finished work by `setImmediate` for as long as any promise of theirs is pending: a hundred
// thousand times a second, most of a core. A software adapter computes on that core, so there they look once a millisecond. On a GPU
// that may be longer than what is waited for: there they look as they do for some milliseconds first, and on Windows, whose timers are
// ten times as coarse, always.

type Callback = (...args: never[]) => void;
type Immediate = typeof globalThis.setImmediate;

const PAUSE_MS = 1;
/** How long Dawn looks without a pause, on a GPU. */
const GPU_PATIENCE_MS = process.platform === "win32" ? Number.POSITIVE_INFINITY : 4;

let isInstalled = false;
/** Of the adapter opened last. */
let patienceMs = 0;
let beganMs = Number.NEGATIVE_INFINITY;

/**
 * From now on Dawn looks for finished work of this process once a millisecond: at once on a software adapter, on a GPU when it
 * has looked for a while since `beginWait`. Nobody else's `setImmediate` changes.
 */
export function paceTicks({ isSoftware }: { readonly isSoftware: boolean }): void {
  patienceMs = isSoftware ? 0 : GPU_PATIENCE_MS;
  if (isInstalled) return;
  isInstalled = true;
  globalThis.setImmediate = pacedImmediate(globalThis.setImmediate, () => patienceMs);
}

/** Somebody begins to wait for what was submitted. */
export function beginWait(): void {
  beganMs = performance.now();
}

/** A `setImmediate` under which Dawn's callbacks wait as said, and all others do as under the given one. */
export function pacedImmediate(immediate: Immediate, patience: () => number): Immediate {
  const paced = (callback: Callback, ...args: never[]) =>
    !isDawns(callback) || performance.now() - beganMs < patience()
      ? immediate(callback, ...args)
      : setTimeout(callback, PAUSE_MS, ...args);
  // With what belongs to the function, such as its promise. Dawn makes no use of what is returned.
  return Object.assign(paced, immediate) as unknown as Immediate;
}

/** Whether a callback is one of the bindings': a function of native code without a name. */
export function isDawns(callback: Callback): boolean {
  return (
    callback.name === "" && Function.prototype.toString.call(callback).includes("[native code]")
  );
}
