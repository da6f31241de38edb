// One pass key in prose that fits the trained length: what the model finds by reading the whole text once.

import { answerers, someAnswerers } from "../answerers.ts";
import { documentCases } from "../documentCases.ts";
import { BOOK, readBook } from "../haystack.ts";
import { hidePassKey } from "../passKey.ts";
import { percent, type Suite } from "../suite.ts";

const methods = someAnswerers(["cache", "ask", "search"]);

export const passkey: Suite = {
  summary: "A pass key in a text within the trained length, by depth.",
  data: [BOOK],
  methods: {
    ...methods,
    cache: { ...answerers.cache, title: "`ask --no-retrieval` (the whole text, read once)" },
  },
  metrics: { right: percent("right") },
  headline: { method: "cache", metric: "right" },
  tables: [
    {
      title: "Pass keys found within the trained length, by depth in percent of the text",
      rows: ["length", "method"],
      columns: "depth",
      metrics: ["right"],
    },
  ],
  charts: [
    {
      kind: "heat-map",
      name: "passkey",
      title: "Pass key: the whole text, read once",
      metric: "right",
      x: "length",
      y: "depth",
      where: { method: "cache" },
    },
  ],
  async cases(tools) {
    const book = await readBook(tools);
    const cells = tools
      .lengths(["0.25x", "0.5x", "1x"], book)
      .flatMap((length) => tools.depths([0, 25, 50, 75, 100]).map((depth) => ({ length, depth })));
    const { tokenizer } = tools.model;
    return documentCases(tools, {
      id: "passkey",
      answerers: methods,
      cells,
      make: (cell, random) => hidePassKey(book, { ...cell, tokenizer, random }),
    });
  },
};
