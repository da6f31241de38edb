// Errors a user can act on. The message says what happened, the value, and what to do, in one line.

/** A failure the user can act on: printed as its message alone, exit status 1. */
export class UserError extends Error {
  override readonly name = "UserError";
}

/** Nothing on this machine can run the kernels. Reading, searching and quoting still work. */
export class NoAdapterError extends UserError {}

/** The adapter has no more memory: trying again gives the same. */
export class OutOfMemoryError extends UserError {}

/** The device went away in the middle: the same work runs on a new one. */
export class DeviceLostError extends UserError {}

/** The work was stopped by the user or by the client that asked for it. */
export class StoppedError extends Error {
  override readonly name = "StoppedError";
  constructor(message = "Stopped.") {
    super(message);
  }
}

/** Throw StoppedError if `signal` was aborted. */
export function throwIfStopped(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new StoppedError();
}

/** `promise`, or StoppedError as soon as `signal` fires; what the promise stands for goes on unattended. */
export async function untilStopped<T>(
  promise: Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  throwIfStopped(signal);
  if (signal === undefined) return promise;
  let stop = (): void => {};
  const stopped = new Promise<never>((_, reject) => {
    stop = () => reject(new StoppedError());
    signal.addEventListener("abort", stop, { once: true });
  });
  try {
    return await Promise.race([promise, stopped]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
