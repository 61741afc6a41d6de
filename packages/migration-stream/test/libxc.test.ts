import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  ByteInput,
  type DomainRecord,
  hasContents,
  PAGE_BYTES,
  readDomainRecords,
  readImageHeader,
  StreamError,
  writeDomainRecord,
  writeImageHeader,
} from "../src/index.ts";
import { Collected, cut } from "./support.ts";

const u32 = fc.integer({ min: 0, max: 0xffffffff });
const pfn = fc.integer({ min: 0, max: 2 ** 44 });
const type = fc.constantFrom(0, 1, 2, 3, 4, 9, 10, 11, 12, 13, 14, 15);
const whole = (unit: number) =>
  fc.integer({ min: 0, max: 4 }).chain((n) => fc.uint8Array({ minLength: n * unit, maxLength: n * unit }));

const record: fc.Arbitrary<DomainRecord> = fc.oneof(
  fc.record({ kind: fc.constant("pvInfo" as const), guestWidth: fc.constantFrom(4, 8), levels: fc.constantFrom(3, 4) }),
  fc.record({ kind: fc.constant("cpuidPolicy" as const), leaves: whole(24) }),
  fc.record({ kind: fc.constant("msrPolicy" as const), entries: whole(16) }),
  fc.record({ kind: fc.constantFrom("staticDataEnd" as const, "verify" as const, "checkpoint" as const) }),
  fc
    .tuple(u32, u32, fc.array(pfn, { maxLength: 20 }))
    .map(([a, b, pages]) => ({ kind: "p2mFrames" as const, first: Math.min(a, b), last: Math.max(a, b), pages })),
  fc
    .tuple(fc.array(fc.tuple(pfn, type), { minLength: 1, maxLength: 6 }), fc.integer({ min: 0, max: 255 }))
    .map(([pages, fill]) => ({
      kind: "pageData" as const,
      pfns: pages.map(([number]) => number),
      types: pages.map(([, of]) => of),
      contents: new Uint8Array(pages.filter(([, of]) => hasContents(of)).length * PAGE_BYTES).fill(fill),
    })),
  fc.record({
    kind: fc.constant("tscInfo" as const),
    mode: u32,
    khz: u32,
    nsec: fc.bigInt(0n, 2n ** 64n - 1n),
    incarnation: u32,
  }),
  fc.record({
    kind: fc.constant("sharedInfo" as const),
    page: fc.uint8Array({ minLength: PAGE_BYTES, maxLength: PAGE_BYTES }),
  }),
  fc.record({
    kind: fc.constant("vcpu" as const),
    part: fc.constant("basic" as const),
    vcpu: u32,
    context: fc.uint8Array(),
  }),
  fc.record({ kind: fc.constant("vcpu" as const), part: fc.constant("msrs" as const), vcpu: u32, context: whole(16) }),
);

const END: DomainRecord = { kind: "end" };

async function written(records: readonly DomainRecord[]): Promise<Uint8Array> {
  const out = new Collected();
  await writeImageHeader(out, { version: 3, xenMajor: 4, xenMinor: 17 });
  for (const each of records) await writeDomainRecord(out, each);
  return out.bytes;
}

async function read(bytes: Iterable<Uint8Array>): Promise<DomainRecord[]> {
  const input = new ByteInput(bytes);
  await readImageHeader(input);
  const records: DomainRecord[] = [];
  for await (const each of readDomainRecords(input)) records.push(each);
  return records;
}

/** The stream with a record of raw bytes behind its headers. */
async function withRecord(recordType: number, body: Uint8Array, length = body.length): Promise<Uint8Array> {
  const head = await written([]);
  const padded = new Uint8Array(head.length + 8 + Math.ceil(body.length / 8) * 8);
  const view = new DataView(padded.buffer);
  padded.set(head);
  view.setUint32(head.length, recordType, true);
  view.setUint32(head.length + 4, length, true);
  padded.set(body, head.length + 8);
  return padded;
}

describe("libxc's stream", () => {
  it("gives back what was written, however it is cut", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(record, { maxLength: 8 }),
        fc.array(fc.integer({ min: 1, max: 5000 }), { minLength: 1, maxLength: 5 }),
        async (records, sizes) => {
          const bytes = await written([...records, END]);
          expect(bytes.length % 8).toBe(0);
          expect(await read(cut(bytes, sizes))).toEqual([...records, END]);
        },
      ),
      { numRuns: 60 },
    );
  });

  it("says which record was cut short", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(record, { maxLength: 4 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        async (records, where) => {
          const bytes = await written([...records, END]);
          const kept = bytes.subarray(0, Math.floor(where * (bytes.length - 1)));
          const error = await read([kept]).then(
            () => undefined,
            (thrown: unknown) => thrown,
          );
          expect(error).toBeInstanceOf(StreamError);
          expect(error).toMatchObject({ code: "truncated" });
          expect((error as StreamError).offset).toBeLessThanOrEqual(kept.length);
        },
      ),
      { numRuns: 60 },
    );
  });

  it("never throws anything but a StreamError for bytes that were changed", async () => {
    const base = await written([
      { kind: "pvInfo", guestWidth: 8, levels: 4 },
      { kind: "p2mFrames", first: 0, last: 600, pages: [3, 4] },
      { kind: "pageData", pfns: [1, 2], types: [0, 15], contents: new Uint8Array(PAGE_BYTES) },
      { kind: "vcpu", part: "extended", vcpu: 0, context: new Uint8Array(64) },
      END,
    ]);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.integer({ min: 0, max: base.length - 1 }), fc.integer({ min: 0, max: 255 })), {
          minLength: 1,
          maxLength: 8,
        }),
        async (changes) => {
          const bytes = base.slice();
          for (const [at, value] of changes) bytes[at] = value;
          await read([bytes]).catch((error: unknown) => expect(error).toBeInstanceOf(StreamError));
        },
      ),
      { numRuns: 300 },
    );
  });

  it("passes over an optional record and refuses a mandatory one that it does not know", async () => {
    const end = (await written([END])).subarray((await written([])).length);
    const optional = await withRecord(0x80000042, new Uint8Array(5));
    expect(await read([optional, end])).toEqual([END]);
    await expect(read([await withRecord(0x42, new Uint8Array(0))])).rejects.toThrow(
      "the record 0x42 at byte 40 is not of those that a PV domain's image has, and cannot be passed over.",
    );
  });

  it("refuses an HVM domain, older versions and other byte orders", async () => {
    const change = async (at: number, value: number) => {
      const bytes = await written([END]);
      bytes[at] = value;
      return read([bytes]);
    };
    await expect(change(24, 2)).rejects.toThrow(/says HVM/);
    await expect(change(15, 1)).rejects.toThrow(/has version 1: versions 2 and 3 can be read/);
    await expect(change(17, 1)).rejects.toThrow(/big-endian/);
    await expect(change(0, 0)).rejects.toMatchObject({ code: "unsupported" });
  });

  it("refuses lengths and counts that cannot be, without making room for them", async () => {
    await expect(read([await withRecord(1, new Uint8Array(8), 0xfffffff0)])).rejects.toThrow(/claims 4294967280 bytes/);
    const many = new Uint8Array(8);
    new DataView(many.buffer).setUint32(0, 0xffffffff, true);
    await expect(read([await withRecord(1, many)])).rejects.toThrow(/claims 4294967295 pages/);
    const badType = new Uint8Array(16);
    badType[0] = 1;
    badType[15] = 0x50;
    await expect(read([await withRecord(1, badType)])).rejects.toThrow(/type 5, which does not exist/);
  });
});
