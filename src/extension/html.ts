// Small pieces of HTML that the pages without scripts are made of. Whatever a value holds, it is escaped.

/** A row of a table: a name, a value, and maybe a share between 0 and 1 drawn as a bar. */
export interface Row {
  readonly name: string;
  readonly value: string;
  readonly share?: number;
}

/** A heading with its rows below. */
export function section(title: string, rows: readonly Row[]): string {
  return block(title, table(rows));
}

/** A heading with HTML below. */
export function block(title: string, html: string): string {
  return `<section><h2>${escapeHtml(title)}</h2>${html}</section>`;
}

export function table(rows: readonly Row[]): string {
  const cells = rows.map(({ name, value, share }) => {
    const bar = share === undefined ? "" : `<meter min="0" max="1" value="${share}"></meter>`;
    return `<tr><th scope="row">${escapeHtml(name)}</th><td>${escapeHtml(value)}</td><td>${bar}</td></tr>`;
  });
  return `<table>${cells.join("")}</table>`;
}

/** A link that runs a command of the extension; the page must allow that command. */
export function commandLink(command: string, text: string): string {
  return `<a class="button" href="command:${command}">${escapeHtml(text)}</a>`;
}

export function escapeHtml(text: string): string {
  const entities: Record<string, string> = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
  };
  return text.replace(/[&<>"]/g, (character) => entities[character] ?? character);
}

export function count(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}

export function percent(share: number): string {
  const value = 100 * share;
  return `${value > 0 && value < 10 ? value.toFixed(1) : Math.round(value)} %`;
}

/** Bytes in the unit that leaves one to three digits before the point. */
export function bytes(value: number): string {
  const units = ["bytes", "kB", "MB", "GB"] as const;
  const power = value < 1000 ? 0 : Math.min(3, Math.floor(Math.log10(value) / 3));
  const scaled = value / 1000 ** power;
  return `${power === 0 || scaled >= 100 ? Math.round(scaled) : scaled.toFixed(1)} ${units[power]}`;
}

export function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const seconds = ms / 1000;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}
