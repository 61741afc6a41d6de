// printf's widths.

type Cell = string | number | null;

/** %-WIDTHs; null is a dash. */
export const left = (value: Cell, width: number): string => String(value ?? "-").padEnd(width);

/** %WIDTHs; null is a dash. */
export const right = (value: Cell, width: number): string => String(value ?? "-").padStart(width);

/** %WIDTH.1f */
export const tenths = (value: number, width: number): string => value.toFixed(1).padStart(width);
