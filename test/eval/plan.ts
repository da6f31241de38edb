// The measurements whose results are committed: what README.md and RESULTS.md show. Few cases, so that those of the embedded
// model run in an hour on two cores without a GPU; more of them is a matter of `--cases`.

import { PILOT_FILE } from "../support/pilot.ts";

export interface Measurement {
  /** Folder of its results. */
  readonly name: string;
  /** Command line behind `lectern eval`. */
  readonly args: readonly string[];
}

/** Sweeps over settings take long: they are of the pilot, whatever model is embedded. */
const PILOT = ["--model", PILOT_FILE];

export const measurements: readonly Measurement[] = [
  { name: "squad", args: ["squad", "--cases", "80", "--only", "passages=gold"] },
  {
    name: "squad-distractors",
    args: ["squad", "--cases", "40", "--only", "passages=distractors"],
  },
  {
    name: "squad-open",
    args: [
      ...["squad", "--cases", "40", "--only", "passages=open-book"],
      ...["--only", "method=ask,search"],
    ],
  },
  {
    name: "refusal",
    args: [
      ...["refusal", "--cases", "100", "--only", "method=reader,search,always"],
      ...["--only", "question=answerable,unanswerable"],
    ],
  },
  {
    name: "needle",
    args: [
      ...["needle", "--cases", "2", "--lengths", "8x", "--depths", "0,50,100"],
      ...["--only", "kind=single,multi-key", "--only", "method=ask,search"],
    ],
  },
  {
    name: "citation",
    args: ["citation", "--cases", "10", "--only", "method=ask,search"],
  },
];

/** The same for the sweeps, which `run.ts` runs when it is asked for them by name: those named h200 took an H200 and ten processes some minutes and take hours without a GPU. */
export const sweeps: readonly Measurement[] = [
  {
    name: "embedded-scaling-h200",
    args: ["perplexity", "--lengths", "1x,2x,4x,8x", "--cases", "10"],
  },
  {
    name: "pilot-scaling",
    args: ["perplexity", "--cases", "10", "--lengths", "1x,2x,4x", ...PILOT],
  },
  {
    name: "embedded-policies-h200",
    args: ["policies", "--cases", "10", "--lengths", "1x"],
  },
  { name: "embedded-fidelity-h200", args: ["fidelity", "--cases", "10"] },
  { name: "embedded-tracking-h200", args: ["tracking", "--cases", "10", "--lengths", "1x"] },
  { name: "embedded-words-h200", args: ["words", "--cases", "10", "--lengths", "1x"] },
  {
    name: "needle-cache-h200",
    args: [
      ...["needle", "--cases", "3", "--only", "kind=single", "--lengths", "8x"],
      ...["--context-length", "36864", "--only", "method=cache,truncation,search"],
    ],
  },
  {
    name: "passkey-h200",
    args: [
      ...["passkey", "--cases", "10", "--lengths", "512,1024,2048,4096"],
      ...["--only", "method=cache,search"],
    ],
  },
];
