import { describe, expect, it } from "vitest";
import {
  ByteInput,
  type LibxlRecord,
  readLibxlHeader,
  readLibxlRecord,
  readSaveFileHeader,
  writeLibxlHeader,
  writeLibxlRecord,
  writeSaveFileHeader,
} from "../src/index.ts";
import { Collected, cut } from "./support.ts";

describe("xl's save file", () => {
  it("carries the configuration, in xl's own layout", async () => {
    const out = new Collected();
    const written = await writeSaveFileHeader(out, '{"c_info": {"name": "wéb"}}');
    expect(written).toMatchObject({ mandatoryFlags: 3, optionalFlags: 0 });
    const text = Buffer.from(out.bytes).toString("latin1");
    expect(text.slice(0, 32)).toBe("Xen saved domain, xl format\n \0 \r");
    expect([...out.bytes.subarray(32, 36)]).toEqual([4, 3, 2, 1]);
    expect(await readSaveFileHeader(new ByteInput(cut(out.bytes, [7])))).toEqual(written);
  });

  it("says what is wrong with a file", async () => {
    const out = new Collected();
    await writeSaveFileHeader(out, "{}");
    const change = (at: number, value: number) => {
      const bytes = out.bytes;
      bytes[at] = value;
      return readSaveFileHeader(new ByteInput([bytes]));
    };
    await expect(change(0, 0)).rejects.toThrow(/this is no file of xl save/);
    await expect(change(36, 1)).rejects.toThrow(/Xen 4.5 and older/);
    await expect(change(36, 7)).rejects.toThrow(/flags 0x4/);
    await expect(change(48, 9)).rejects.toThrow(/longer than its place/);
    await expect(change(47, 9)).rejects.toMatchObject({ code: "malformed" });
    await expect(readSaveFileHeader(new ByteInput([out.bytes.subarray(0, 50)]))).rejects.toMatchObject({
      code: "truncated",
      offset: 48,
    });
  });
});

describe("libxl's stream", () => {
  const records: LibxlRecord[] = [
    { kind: "libxcContext" },
    { kind: "emulatorXenstoreData", emulator: 1, index: 0, nodes: ["physmap/0/name", "vga", "empty", ""] },
    { kind: "emulatorXenstoreData", emulator: 0, index: 2, nodes: [] },
    { kind: "end" },
  ];

  it("gives back what was written", async () => {
    const out = new Collected();
    await writeLibxlHeader(out);
    for (const record of records) await writeLibxlRecord(out, record);
    expect(Buffer.from(out.bytes.subarray(0, 16)).toString("latin1")).toBe("LibxlFmt\0\0\0\x02\0\0\0\0");
    const input = new ByteInput(cut(out.bytes, [3, 1]));
    await readLibxlHeader(input);
    for (const record of records) expect(await readLibxlRecord(input)).toEqual(record);
    expect(input.offset).toBe(out.bytes.length);
  });

  it("refuses what it does not know", async () => {
    const out = new Collected();
    await writeLibxlHeader(out);
    const other = out.bytes;
    other[11] = 1;
    await expect(readLibxlHeader(new ByteInput([other]))).rejects.toThrow(/has version 1: version 2 can be read/);
    const record = Uint8Array.of(3, 0, 0, 0, 0, 0, 0, 0);
    await expect(readLibxlRecord(new ByteInput([record]))).rejects.toThrow(
      "libxl's record EMULATOR_CONTEXT at byte 0 is not read here, and cannot be passed over.",
    );
  });
});
