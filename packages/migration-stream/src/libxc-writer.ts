import { type ByteOutput, viewOf } from "./byte-input.ts";
import { type DomainRecord, DomainType, type ImageHeader, RecordType, VCPU_RECORDS } from "./libxc-records.ts";
import { writeRecord, writeU64 } from "./record.ts";

const HEADER_BYTES = 40;
const PAGE_SHIFT = 12;

/** "XENF" */
const IDENT = 0x58454e46;

/** Writes the headers of an image and of a PV domain. */
export async function writeImageHeader(out: ByteOutput, header: ImageHeader): Promise<void> {
  const bytes = new Uint8Array(HEADER_BYTES);
  const view = viewOf(bytes);
  // The image header is big-endian, what follows it is not.
  bytes.fill(0xff, 0, 8);
  view.setUint32(8, IDENT, false);
  view.setUint32(12, header.version, false);
  view.setUint32(24, DomainType.x86Pv, true);
  view.setUint16(28, PAGE_SHIFT, true);
  view.setUint32(32, header.xenMajor, true);
  view.setUint32(36, header.xenMinor, true);
  await out.write(bytes);
}

/** Writes one record. */
export async function writeDomainRecord(out: ByteOutput, record: DomainRecord): Promise<void> {
  switch (record.kind) {
    case "pvInfo":
      return writeRecord(out, RecordType.x86PvInfo, Uint8Array.of(record.guestWidth, record.levels, 0, 0, 0, 0, 0, 0));
    case "cpuidPolicy":
      return writeRecord(out, RecordType.x86CpuidPolicy, record.leaves);
    case "msrPolicy":
      return writeRecord(out, RecordType.x86MsrPolicy, record.entries);
    case "staticDataEnd":
      return writeRecord(out, RecordType.staticDataEnd);
    case "p2mFrames": {
      const head = words(record.first, record.last);
      return writeRecord(out, RecordType.x86PvP2mFrames, head, numbers(record.pages));
    }
    case "pageData": {
      const head = words(record.pfns.length, 0);
      return writeRecord(out, RecordType.pageData, head, numbers(record.pfns, record.types), record.contents);
    }
    case "tscInfo": {
      const body = new Uint8Array(24);
      const view = viewOf(body);
      view.setUint32(0, record.mode, true);
      view.setUint32(4, record.khz, true);
      view.setBigUint64(8, record.nsec, true);
      view.setUint32(16, record.incarnation, true);
      return writeRecord(out, RecordType.x86TscInfo, body);
    }
    case "sharedInfo":
      return writeRecord(out, RecordType.sharedInfo, record.page);
    case "vcpu":
      return writeRecord(out, VCPU_RECORDS[record.part], words(record.vcpu, 0), record.context);
    case "verify":
      return writeRecord(out, RecordType.verify);
    case "checkpoint":
      return writeRecord(out, RecordType.checkpoint);
    case "end":
      return writeRecord(out, RecordType.end);
  }
}

function words(...values: number[]): Uint8Array {
  const bytes = new Uint8Array(4 * values.length);
  values.forEach((value, i) => {
    viewOf(bytes).setUint32(4 * i, value, true);
  });
  return bytes;
}

function numbers(pfns: readonly number[], types?: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(8 * pfns.length);
  const view = viewOf(bytes);
  for (let i = 0; i < pfns.length; i++) writeU64(view, 8 * i, pfns[i], (types?.[i] ?? 0) << 28);
  return bytes;
}
