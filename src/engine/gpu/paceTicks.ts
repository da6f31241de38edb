// Dawn's bindings for Node look for finished work by `setImmediate` for as long as any promise of theirs is pending: a hundred
// thousand times a second, most of a core. A software adapter computes on that core, so there they look once a millisecond. On
// other adapters a millisecond may be longer than what is waited for, and nothing changes.

type Callback = (...args: never[]) => void;
type Immediate = typeof globalThis.setImmediate;

const PAUSE_MS = 1;
let isPaced = false;

/** From now on Dawn looks for finished work of this process once a millisecond. Nobody else's `setImmediate` changes. */
export function paceTicks(): void {
  if (isPaced) return;
  isPaced = true;
  globalThis.setImmediate = pacedImmediate(globalThis.setImmediate);
}

/** A `setImmediate` under which Dawn's callbacks wait a millisecond, and all others do as under the given one. */
export function pacedImmediate(immediate: Immediate): Immediate {
  const paced = (callback: Callback, ...args: never[]) =>
    isDawns(callback) ? setTimeout(callback, PAUSE_MS, ...args) : immediate(callback, ...args);
  // With what belongs to the function, such as its promise. Dawn makes no use of what is returned.
  return Object.assign(paced, immediate) as unknown as Immediate;
}

/** Whether a callback is one of the bindings': a function of native code without a name. */
export function isDawns(callback: Callback): boolean {
  return (
    callback.name === "" && Function.prototype.toString.call(callback).includes("[native code]")
  );
}
