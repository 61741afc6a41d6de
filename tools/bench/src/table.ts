/** Lays cells out in columns: the first to the left, all others to the right. The first row is the heading. */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const line = (row: readonly string[]): string =>
    row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column]))).join("  ");
  const [heading, ...body] = rows;
  return [line(heading), widths.map((width) => "-".repeat(width)).join("  "), ...body.map(line)].join("\n");
}
