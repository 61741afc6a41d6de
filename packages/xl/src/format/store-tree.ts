/** A node as the daemon tells of it; its value is text of one byte a character. */
export interface StoreNode {
  path: string;
  value: string;
  permissions: string[];
}

export interface StoreTreeOptions {
  /** Each line has the whole path. */
  fullPaths?: boolean;
  permissions?: boolean;
  /** Characters of a line; a longer value is cut. */
  width?: number;
}

const PERMISSIONS_COLUMN = 60;
/** What a cut value needs beside itself: ` = "\..."`. */
const CUT_MARK = 9;

/** The lines of xenstore-ls for what is below `root`. */
export function storeTree(root: string, nodes: readonly StoreNode[], options: StoreTreeOptions = {}): string[] {
  const top = depthOf(root);
  return nodes.map(({ path, value, permissions }) => {
    const name = options.fullPaths
      ? path
      : `${" ".repeat(depthOf(path) - top - 1)}${path.slice(path.lastIndexOf("/") + 1)}`;
    const shown = escapeValue(value);
    const width = options.width ?? Number.POSITIVE_INFINITY;
    if (name.length + shown.length + CUT_MARK > width)
      return `${name} = "${shown.slice(0, Math.max(0, width - CUT_MARK - name.length))}\\..."${permissionsAt(0)}`;
    const line = `${name} = "${shown}"`;
    return `${line}${permissionsAt(line.length)}`;

    function permissionsAt(column: number): string {
      if (!options.permissions) return "";
      const list = `(${permissions.join(",")})`;
      if (column === 0) return list;
      let leader = " ";
      for (let at = column + 1; at < PERMISSIONS_COLUMN; at++) leader += (at & 1) === 1 ? "." : " ";
      return leader + list;
    }
  });
}

const depthOf = (path: string): number => (path === "/" ? 0 : path.split("/").length - 1);

const ESCAPES: Record<string, string> = { "\t": "\\t", "\n": "\\n", "\r": "\\r", "\\": "\\\\" };

/** A value as one line of printable characters. */
export function escapeValue(value: string): string {
  return value.replace(/[^\x20-\x5b\x5d-\x7e]/g, (character) => {
    return ESCAPES[character] ?? `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;
  });
}

/** The bytes that a value typed with such escapes stands for. */
export function unescapeValue(text: string): string {
  return text.replace(/\\(?:x([0-9a-fA-F]{2})|([0-7]{1,3})|(.))/g, (_, hex?: string, octal?: string, other = "") => {
    if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16));
    if (octal !== undefined) return String.fromCharCode(Number.parseInt(octal, 8) & 0xff);
    return { t: "\t", n: "\n", r: "\r" }[other as string] ?? other;
  });
}
