/** A buffer that must be there, since the plan of the cache asks for it. */
export function present<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("the cache lacks a buffer its plan needs");
  return value;
}
