// From records to a picture: a heat map or lines, as the suite says.

import { cellValue, cellValues, formatValue, matches, meanOf } from "../report.ts";
import type { ChartSpec, EvalRecord, Metric, Suite } from "../suite.ts";
import { drawHeatMap } from "./heatMap.ts";
import { drawLineChart } from "./lineChart.ts";

/** The picture as an SVG document; undefined where no case belongs to it. */
export function chartOf(
  suite: Suite,
  spec: ChartSpec,
  records: readonly EvalRecord[],
): string | undefined {
  const metric = suite.metrics[spec.metric];
  if (!metric) throw new Error(`there is no metric ${spec.metric}`);
  const own = records.filter(
    (record) =>
      matches(record, spec.where) &&
      record.scores[spec.metric] !== undefined &&
      cellValue(record, spec.x) !== "" &&
      cellValue(record, spec.y) !== "",
  );
  if (own.length === 0) return undefined;
  const [xs, ys] = [cellValues(own, spec.x), cellValues(own, spec.y)];
  const values = ys.map((y) =>
    xs.map((x) =>
      meanOf(
        own.filter((record) => matches(record, { [spec.x]: x, [spec.y]: y })),
        spec.metric,
      ),
    ),
  );
  const shared = {
    title: spec.title,
    x: { title: spec.x, labels: xs },
    format: (value: number) => formatValue(value, short(metric)),
  };
  if (spec.kind === "heat-map")
    return drawHeatMap({ ...shared, y: { title: spec.y, labels: ys }, values });
  return drawLineChart({
    ...shared,
    y: { title: metric.title, isShare: metric.unit === "%" },
    lines: ys.map((y, i) => ({ label: lineLabel(suite, spec, y), values: values[i] ?? [] })),
  });
}

function lineLabel(suite: Suite, { y }: ChartSpec, value: string): string {
  const title = y === "method" ? (suite.methods[value]?.title ?? value) : value;
  return title.replaceAll("`", "");
}

// Pictures have little room for figures.
function short(metric: Metric): Metric {
  return metric.unit === "%" ? { ...metric, digits: 0 } : metric;
}
