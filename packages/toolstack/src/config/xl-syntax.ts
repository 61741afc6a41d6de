import { ConfigError } from "./config-error.ts";

/** A value of an xl.cfg: what the Python-like syntax can write down. */
export type XlValue = string | number | XlValue[];

/** One `key = value` of an xl.cfg, with the line (from 1) on which the key stands. */
export interface XlSetting {
  key: string;
  value: XlValue;
  line: number;
}

type Token =
  | { kind: "name" | "string"; text: string; line: number }
  | { kind: "number"; value: number; line: number }
  | { kind: "[" | "]" | "," | "=" | "+=" | "end" | "eof"; line: number };

const ESCAPES: Record<string, string> = {
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
};

const NAME = /[A-Za-z_][A-Za-z0-9_]*/y;
const NUMBER = /-?(?:0[xX][0-9a-fA-F]+|[0-9]+)(?![A-Za-z0-9_.])/y;

class Lexer {
  private position = 0;
  private line = 1;
  private depth = 0;

  constructor(
    private readonly text: string,
    private readonly file: string,
  ) {}

  fail(message: string, line = this.line): ConfigError {
    const sentence = message.endsWith("?") ? message : `${message}.`;
    return new ConfigError(`${this.file}, line ${line}: ${sentence}`);
  }

  next(): Token {
    const { text } = this;
    for (;;) {
      const character = text[this.position];
      const line = this.line;
      if (character === undefined) return { kind: "eof", line };
      if (character === "\n") {
        this.position++;
        this.line++;
        // Inside brackets a line break is white space.
        if (this.depth === 0) return { kind: "end", line };
      } else if (character === ";") {
        this.position++;
        return { kind: "end", line };
      } else if (character === "#") {
        while (this.position < text.length && text[this.position] !== "\n") this.position++;
      } else if (/\s/.test(character) || character === "\uFEFF") {
        this.position++;
      } else if (character === "\\" && /^\\\r?\n/.test(text.slice(this.position, this.position + 3))) {
        this.position = text.indexOf("\n", this.position) + 1;
        this.line++;
      } else {
        return this.token(character, line);
      }
    }
  }

  private token(character: string, line: number): Token {
    switch (character) {
      case "[":
        this.depth++;
        this.position++;
        return { kind: "[", line };
      case "]":
        this.depth--;
        this.position++;
        return { kind: "]", line };
      case ",":
      case "=":
        this.position++;
        return { kind: character, line };
      case "+":
        if (this.text[this.position + 1] !== "=") throw this.fail(`"+" means nothing here; did you mean "+="?`);
        this.position += 2;
        return { kind: "+=", line };
      case '"':
      case "'":
        return { kind: "string", text: this.string(character), line };
    }
    const number = this.match(NUMBER);
    if (number !== undefined) {
      const negative = number.startsWith("-");
      const value = Number(negative ? number.slice(1) : number);
      return { kind: "number", value: negative ? -value : value, line };
    }
    const name = this.match(NAME);
    if (name !== undefined) return { kind: "name", text: name, line };
    throw this.fail(`unexpected character ${JSON.stringify(character)}; put text in quotes`);
  }

  private match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.position;
    const found = pattern.exec(this.text)?.[0];
    if (found !== undefined) this.position += found.length;
    return found;
  }

  private string(quote: string): string {
    let value = "";
    for (let at = this.position + 1; ; at++) {
      const character = this.text[at];
      if (character === undefined || character === "\n")
        throw this.fail(`a string is not closed; end it with ${quote}`);
      if (character === quote) {
        this.position = at + 1;
        return value;
      }
      if (character !== "\\") {
        value += character;
        continue;
      }
      const coded = /^(?:x([0-9a-fA-F]{2})|([0-7]{1,3}))/.exec(this.text.slice(at + 1, at + 4));
      if (coded) {
        value += String.fromCharCode(coded[1] ? Number.parseInt(coded[1], 16) : Number.parseInt(coded[2], 8) & 0xff);
        at += coded[0].length;
      } else {
        const next = this.text[++at];
        if (next === undefined || next === "\n") throw this.fail(`a string is not closed; end it with ${quote}`);
        value += ESCAPES[next] ?? next;
      }
    }
  }
}

/**
 * Parses the text of an xl.cfg: assignments `key = value`, one a line or parted by `;`, where a value is a number, a
 * string in either kind of quotes or a list of values; `key += list` adds to a list; `#` starts a comment. A key that is
 * assigned twice has its last value.
 *
 * @param file the name that error messages begin with.
 * @throws ConfigError, one sentence that names file and line.
 */
export function parseXlSyntax(text: string, file = "config"): XlSetting[] {
  const lexer = new Lexer(text, file);
  const settings = new Map<string, XlSetting>();

  const parseValue = (token: Token): XlValue => {
    if (token.kind === "string") return token.text;
    if (token.kind === "number") return token.value;
    if (token.kind !== "[") {
      const shown = token.kind === "name" ? `the bare word ${token.text}; put text in quotes` : describe(token);
      throw lexer.fail(`expected a string, a number or a list, found ${shown}`, token.line);
    }
    const list: XlValue[] = [];
    for (let item = lexer.next(); item.kind !== "]"; item = lexer.next()) {
      if (item.kind === "eof") throw lexer.fail("a list is not closed; end it with ]", token.line);
      list.push(parseValue(item));
      const after = lexer.next();
      if (after.kind === "]") return list;
      if (after.kind === "eof") throw lexer.fail("a list is not closed; end it with ]", token.line);
      if (after.kind !== ",") throw lexer.fail(`expected "," or "]" in a list, found ${describe(after)}`, after.line);
    }
    return list;
  };

  for (let token = lexer.next(); token.kind !== "eof"; token = lexer.next()) {
    if (token.kind === "end") continue;
    if (token.kind !== "name")
      throw lexer.fail(`expected a key such as "kernel", found ${describe(token)}`, token.line);
    const { text: key, line } = token;
    const operator = lexer.next();
    if (operator.kind !== "=" && operator.kind !== "+=") {
      throw lexer.fail(`expected "=" after ${key}, found ${describe(operator)}`, operator.line);
    }
    let value = parseValue(lexer.next());
    if (operator.kind === "+=") {
      const before = settings.get(key)?.value ?? [];
      if (!Array.isArray(before) || !Array.isArray(value)) {
        throw lexer.fail(`"+=" adds a list to a list, and ${key} is none`, line);
      }
      value = [...before, ...value];
    }
    settings.set(key, { key, value, line });
    const end = lexer.next();
    if (end.kind === "eof") break;
    if (end.kind !== "end")
      throw lexer.fail(`expected the end of the line after ${key}, found ${describe(end)}`, end.line);
  }
  return [...settings.values()];
}

function describe(token: Token): string {
  switch (token.kind) {
    case "name":
      return token.text;
    case "string":
      return JSON.stringify(token.text);
    case "number":
      return String(token.value);
    case "end":
      return "the end of the line";
    case "eof":
      return "the end of the file";
    default:
      return `"${token.kind}"`;
  }
}
