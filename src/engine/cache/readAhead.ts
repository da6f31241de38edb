// A few reads in flight at once, their results in order: what keeps a disk or a GPU's copies busy.

/** `read` of each item in order, up to `depth` of them begun ahead. A failed read is thrown when its turn comes. */
export async function* readAhead<T, R>(
  items: readonly T[],
  depth: number,
  read: (item: T) => Promise<R>,
): AsyncGenerator<R> {
  const inFlight: Promise<R>[] = [];
  for (const item of items) {
    const begun = read(item);
    // It may fail while an earlier one is waited for; it is thrown in its turn, or nobody waits for it any more.
    begun.catch(() => undefined);
    inFlight.push(begun);
    const first = inFlight.length < depth ? undefined : inFlight.shift();
    if (first) yield await first;
  }
  for (const rest of inFlight) yield await rest;
}
