// Tables of generated pages.

/** A Markdown table; bars within cells are escaped. */
export function markdownRows(
  head: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const escaped = rows.map((row) => row.map((cell) => cell.replaceAll("|", "\\|")));
  return [line(head), line(head.map(() => "---")), ...escaped.map(line)].join("\n");
}
