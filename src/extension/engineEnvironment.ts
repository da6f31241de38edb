// The environment the engine starts with: the user's, without what would turn Node into something else.

const UNWANTED = /^(ELECTRON_|VSCODE_|NODE_OPTIONS$|NODE_CHANNEL_|NODE_UNIQUE_ID$)/i;

/** `env` without Electron's, VS Code's and Node's own switches, which would reach the engine and change how it runs. */
export function engineEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !UNWANTED.test(name)));
}
