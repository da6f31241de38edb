// `lectern stats`: the saved caches. This version saves none, and says so.

import { defineCommand } from "../command.ts";

export const stats = defineCommand({
  summary: "List the saved caches. This version keeps none on disk yet.",
  positionals: { usage: "", min: 0, max: 0 },
  options: {},
  async run() {
    return {
      json: { caches: [] },
      text: "No caches are saved: this version reads documents anew for every question.",
    };
  },
});
