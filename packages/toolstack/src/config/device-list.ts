// The comma-separated lists in which xl.cfg describes devices.

/** One part of a list: `key=value`, or a bare word. */
export interface ListPart {
  key: string | undefined;
  value: string;
}

/**
 * Splits "a,b,key=value". White space around parts is ignored. The value of `last`, if that key comes, is all the rest,
 * commas included (xl-disk-configuration(5), "target").
 */
export function splitDeviceList(text: string, last?: string): ListPart[] {
  const parts: ListPart[] = [];
  let rest = text;
  while (rest !== "") {
    if (last !== undefined) {
      const tail = new RegExp(`^\\s*${last}\\s*=\\s*`).exec(rest);
      if (tail !== null) {
        parts.push({ key: last, value: rest.slice(tail[0].length).trimEnd() });
        return parts;
      }
    }
    const comma = rest.indexOf(",");
    const part = (comma < 0 ? rest : rest.slice(0, comma)).trim();
    rest = comma < 0 ? "" : rest.slice(comma + 1);
    const keyed = /^([A-Za-z][A-Za-z0-9_-]*)\s*=\s*(.*)$/.exec(part);
    parts.push(keyed === null ? { key: undefined, value: part } : { key: keyed[1], value: keyed[2] });
  }
  return parts;
}
