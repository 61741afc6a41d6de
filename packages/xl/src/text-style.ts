/** How words stand out on a terminal; each returns the text with what switches that on and off again. */
export interface TextStyle {
  bold(text: string): string;
  reverse(text: string): string;
  /** Something is switched on. */
  marked(text: string): string;
}

/** Where output is no terminal. */
export const NO_STYLE: TextStyle = {
  bold: (text) => text,
  reverse: (text) => text,
  marked: (text) => text,
};

/** ECMA-48's SGR sequences. Each ends only what it began, so that bold may stand inside of reverse. */
export const TERMINAL_STYLE: TextStyle = {
  bold: (text) => `\x1b[1m${text}\x1b[22m`,
  reverse: (text) => `\x1b[7m${text}\x1b[27m`,
  marked: (text) => `\x1b[43m${text}\x1b[49m`,
};
