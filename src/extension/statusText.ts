// What the status-bar item says, as a pure function of the engine's state.

import type { EngineStatus } from "../protocol.ts";

export interface StatusText {
  /** With codicons, as status-bar items take them. */
  readonly text: string;
  readonly tooltip: string;
  readonly severity: "none" | "warning" | "error";
  /** What screen readers say: no icon names. */
  readonly label: string;
}

export type Translate = (message: string, ...args: string[]) => string;

/** Text, tooltip and severity for `status`; in an untrusted workspace nothing runs. */
export function statusText(status: EngineStatus, isTrusted: boolean, t: Translate): StatusText {
  if (!isTrusted) {
    return plain("$(workspace-untrusted)", t("Lectern does not run in an untrusted workspace."));
  }
  switch (status.state) {
    case "stopped":
      return plain("$(book)", t("The engine starts with the first question."));
    case "starting":
      return spinning(t("Starting"), t("The engine is starting."));
    case "idle":
      return plain("$(book)", t("The engine is ready."));
    case "loading":
      return spinning(
        t("Loading model"),
        status.model === "" ? t("Loading the model.") : t("Loading {0}.", status.model),
      );
    case "busy": {
      const percent =
        status.fraction === undefined ? "" : ` ${Math.floor(100 * Math.min(1, status.fraction))}%`;
      return spinning(`${t(status.activity)}${percent}`, `${t(status.activity)}${percent}.`);
    }
    case "failed":
      return {
        text: "$(error) Lectern",
        tooltip: status.message,
        severity: "error",
        label: `Lectern: ${status.message}`,
      };
    default:
      return status satisfies never;
  }
}

function plain(icon: string, tooltip: string): StatusText {
  return { text: `${icon} Lectern`, tooltip, severity: "none", label: `Lectern: ${tooltip}` };
}

function spinning(text: string, tooltip: string): StatusText {
  return {
    text: `$(loading~spin) ${text}`,
    tooltip,
    severity: "none",
    label: `Lectern: ${tooltip}`,
  };
}
