// Skipping with a name: the report says which device, program or file was missing.

/** Skip the running test or hook and say why in the report. */
export function skip(context: Mocha.Context, reason: string): never {
  const runnable = context.runnable();
  // A hook's title is not reported when its tests are skipped, so their titles carry the reason.
  const isHook = "type" in runnable && runnable.type === "hook";
  const titled = isHook ? testsOf(runnable.parent) : [runnable];
  for (const test of titled) test.title += ` (skipped: ${reason})`;
  return context.skip();
}

function testsOf(suite: Mocha.Suite | undefined): Mocha.Test[] {
  return suite ? [...suite.tests, ...suite.suites.flatMap(testsOf)] : [];
}
