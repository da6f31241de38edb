import assert from "node:assert/strict";
import { chartOf } from "../../../src/cli/eval/charts/index.ts";
import { markdownTable } from "../../../src/cli/eval/markdown.ts";
import { tablesOf } from "../../../src/cli/eval/report.ts";
import { type EvalRecord, percent, type Suite } from "../../../src/cli/eval/suite.ts";

const suite: Suite = {
  summary: "A suite.",
  data: [],
  methods: { own: { title: "ours" }, trivial: { title: "trivial", isBaseline: true } },
  metrics: {
    right: percent("right"),
    nll: { title: "mean nll", unit: "nats", digits: 2, better: "lower" },
  },
  headline: { method: "own", metric: "right" },
  tables: [{ title: "By length", rows: ["method"], columns: "length", metrics: ["right"] }],
  charts: [],
  cases: async () => [],
};

function record(method: string, length: number, right: number, number = 0): EvalRecord {
  return {
    id: `${method} ${length} ${number}`,
    method,
    cell: { length, depth: 10 * number, number },
    scores: { right },
    ms: 1,
    processorMs: 1,
  };
}

describe("reports", () => {
  it("show means by row and column, numbers in their order, and how many cases are behind them", () => {
    const records = [
      record("trivial", 1024, 0),
      record("own", 1024, 1),
      record("own", 512, 1),
      record("own", 512, 0, 1),
    ];
    const [table] = tablesOf(suite, records);
    assert.ok(table);
    assert.deepEqual(
      table.columns.map(({ title }) => title),
      ["length 512", "length 1024"],
    );
    assert.deepEqual(
      table.rows.map(({ labels, values, cases }) => [labels[0], values, cases]),
      [
        ["ours", [0.5, 1], 1],
        ["trivial (baseline)", [null, 0], 1],
      ],
    );
    assert.deepEqual(table.remarks, []);
    assert.match(markdownTable(table), /\| trivial \(baseline\) \| n\/a \| 0\.0 % \| 1 \|/);
  });

  it("say in words where a baseline wins, where it is as good, and nothing where all fail", () => {
    const records = [
      ...[record("own", 1, 0), record("trivial", 1, 1)],
      ...[record("own", 2, 1), record("trivial", 2, 1)],
      ...[record("own", 3, 0), record("trivial", 3, 0)],
    ];
    assert.deepEqual(tablesOf(suite, records)[0]?.remarks, [
      "A baseline wins (length 1: trivial 100.0 % against 0.0 % of ours).",
      "A baseline is as good (length 2: trivial 100.0 %).",
    ]);
  });

  it("know that less is better where it is", () => {
    const lower: Suite = {
      ...suite,
      tables: [{ title: "Loss", rows: ["method"], metrics: ["nll"] }],
    };
    const of = (method: string, nll: number) => ({ ...record(method, 1, 0), scores: { nll } });
    const [table] = tablesOf(lower, [of("own", 2.5), of("trivial", 2.25)]);
    assert.match(table?.remarks[0] ?? "", /trivial 2\.25 nats against 2\.50 nats of ours/);
  });

  it("draw a heat map with a cell for each pair, and lines for each method", () => {
    const records = [record("own", 512, 1), record("own", 1024, 0, 1), record("trivial", 512, 0.5)];
    const spec = { name: "x", title: "A <title> & more", metric: "right", x: "length" } as const;
    const map = chartOf(suite, { ...spec, kind: "heat-map", y: "depth" }, records) ?? "";
    assert.equal(map.match(/<rect [^>]*width="82"/g)?.length, 4);
    assert.equal(map.match(/#eeeeee/g)?.length, 2, "pairs without a case are grey");
    assert.match(map, /A &lt;title&gt; &amp; more/);
    const lines = chartOf(suite, { ...spec, kind: "lines", y: "method" }, records) ?? "";
    assert.equal(lines.match(/<circle/g)?.length, 3);
    assert.match(lines, />ours</);
    assert.equal(
      chartOf(suite, { ...spec, kind: "lines", y: "method", where: { length: 9 } }, records),
      undefined,
    );
  });
});
