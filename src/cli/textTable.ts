// Tables for people: columns aligned, numbers to the right.

/** The rows below their head, one line each. */
export function textTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head, ...rows];
  const widths = head.map((_, i) => Math.max(...all.map((row) => row[i]?.length ?? 0)));
  const isNumeric = head.map((_, i) =>
    rows.every((row) => /^[\d.,]+( [kMG]?B)?$/.test(row[i] ?? "")),
  );
  return all
    .map((row) =>
      row
        .map((cell, i) =>
          isNumeric[i] ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0),
        )
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
