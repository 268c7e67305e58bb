/** Plain-text tables, laid out as Go's tabwriter does for runc. */

const minWidth = 12;
const padding = 3;

function width(text: string): number {
  return [...text].length;
}

/**
 * Rows of cells as lines: each column at least 12 wide and 3 wider than its widest cell, the last not padded.
 * Every row has as many cells as the first.
 */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const last = (rows[0]?.length ?? 0) - 1;
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(minWidth, ...rows.map((row) => width(row[column] ?? "") + padding)),
  );
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) =>
        column === last ? cell : cell + " ".repeat((widths[column] ?? 0) - width(cell)),
      )
      .join("");
  return rows.map((row) => `${line(row)}\n`).join("");
}
