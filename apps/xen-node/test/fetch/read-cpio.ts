import { expect } from "vitest";

/** Reads a newc archive back, apart from the writer. */
export function readCpio(archive: Uint8Array) {
  const text = new TextDecoder("latin1");
  const members = [];
  for (let at = 0; ; ) {
    expect(at % 4).toBe(0);
    const header = text.decode(archive.subarray(at, at + 110));
    expect(header.slice(0, 6)).toBe("070701");
    const field = (index: number) => Number.parseInt(header.slice(6 + index * 8, 14 + index * 8), 16);
    const nameSize = field(11);
    const name = text.decode(archive.subarray(at + 110, at + 110 + nameSize - 1));
    const start = (at + 110 + nameSize + 3) & ~3;
    if (name === "TRAILER!!!") return members;
    const data = archive.slice(start, start + field(6));
    members.push({ name, mode: field(1), device: [field(9), field(10)], data: text.decode(data) });
    at = (start + field(6) + 3) & ~3;
  }
}
