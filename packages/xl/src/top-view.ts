import { TOP_COLUMNS, type TopOptions, type TopSample, topSummary, topTable } from "./format/xentop.ts";
import { TERMINAL_STYLE } from "./text-style.ts";

const { reverse, marked } = TERMINAL_STYLE;

/** Longest answer to a question. */
const MOST_CHARACTERS = 79;

/** What xentop shows, as keys change it. */
export class TopView {
  private options: TopOptions;
  /** Domains that are scrolled out of sight at the top. */
  private from = 0;
  /** What was typed so far as the new delay; undefined: nobody asks for one. */
  private typed: string | undefined;

  /** @param delayS seconds between samples */
  constructor(
    options: TopOptions,
    public delayS: number,
  ) {
    this.options = { ...options };
  }

  /** A key: one character, or the sequence that a terminal sends for one. False: it ends. */
  onKey(key: string): boolean {
    if (this.typed !== undefined) {
      this.answer(key, this.typed);
      return true;
    }
    const { options } = this;
    switch (key.toLowerCase()) {
      case "n":
        options.networks = !options.networks;
        break;
      case "b":
        options.vbds = !options.vbds;
        break;
      case "v":
        options.vcpus = !options.vcpus;
        break;
      case "r":
        options.repeatHeader = !options.repeatHeader;
        break;
      case "s":
        options.sortColumn = (options.sortColumn + 1) % TOP_COLUMNS;
        break;
      case "d":
        this.typed = "";
        break;
      case "\x1b[a":
      case "\x1boa":
        this.from = Math.max(0, this.from - 1);
        break;
      case "\x1b[b":
      case "\x1bob":
        this.from++;
        break;
      case "q":
      case "\x1b":
        return false;
    }
    return true;
  }

  /** A key while the new delay is typed. */
  private answer(key: string, typed: string): void {
    switch (key) {
      case "\r":
      case "\n": {
        // As xentop reads it: what is no number, or none above zero, changes nothing.
        const delayS = Number.parseInt(typed, 10);
        if (delayS > 0) this.delayS = delayS;
        this.typed = undefined;
        break;
      }
      case "\x1b":
        this.typed = undefined;
        break;
      case "\x7f":
      case "\b":
        this.typed = typed.slice(0, -1);
        break;
      default:
        if (/^[ -~]$/.test(key) && typed.length < MOST_CHARACTERS) this.typed = typed + key;
    }
  }

  /**
   * All lines of a screen, one for each of its rows.
   *
   * @param time hh:mm:ss
   */
  lines(
    sample: TopSample,
    before: TopSample | undefined,
    { time, rows, columns }: { time: string; rows: number; columns: number },
  ): string[] {
    this.from = Math.min(this.from, Math.max(0, sample.domains.length - 1));
    const { options, from } = this;
    const lines = [
      ...topSummary(sample, time),
      ...topTable(sample, before, options, { style: TERMINAL_STYLE, from }),
    ].flatMap((line) => folded(line, columns));
    const above = Math.max(0, rows - 1);
    const shown = lines.slice(0, above);
    while (shown.length < above) shown.push("");
    return [...shown, this.bottomLine()];
  }

  private bottomLine(): string {
    if (this.typed !== undefined) return `  Delay(sec): ${this.typed}`;
    const { networks, vbds, vcpus, repeatHeader } = this.options;
    const on = (isOn: boolean, text: string): string => (isOn ? marked(text) : text);
    return `  ${[
      `${reverse("D")}elay`,
      `${reverse("N")}${on(networks, "etworks")}`,
      `${on(vbds, "v")}${reverse("B")}${on(vbds, "ds")}`,
      `${reverse("V")}${on(vcpus, "CPUs")}`,
      `${reverse("R")}${on(repeatHeader, "epeat header")}`,
      `${reverse("S")}ort order`,
      `${reverse("Q")}uit`,
    ].join("  ")}`;
  }
}

const ESCAPE = "\x1b";
// Sequences take no place on the screen.
const STYLE_SEQUENCE = new RegExp(`${ESCAPE}\\[\\d+m`, "y");
const KEYS = new RegExp(`${ESCAPE}(?:\\[[0-9;]*[A-Za-z~]|O[A-Za-z])|[\\s\\S]`, "gu");

/** A line in pieces of at most `columns` characters, as a terminal breaks it. */
function folded(line: string, columns: number): string[] {
  const pieces: string[] = [];
  let piece = "";
  let width = 0;
  for (let at = 0; at < line.length; ) {
    STYLE_SEQUENCE.lastIndex = at;
    const sequence = STYLE_SEQUENCE.exec(line)?.[0];
    if (sequence === undefined && width === columns) {
      pieces.push(piece);
      piece = "";
      width = 0;
    }
    piece += sequence ?? line[at];
    if (sequence === undefined) width++;
    at += sequence?.length ?? 1;
  }
  return [...pieces, piece];
}

/** Keys of what a terminal sent at once. */
export const keysOf = (text: string): string[] => text.match(KEYS) ?? [];
