import { type ByteInput, viewOf } from "./byte-input.ts";
import {
  type DomainRecord,
  DomainType,
  hasContents,
  type ImageHeader,
  isPageType,
  OPTIONAL_RECORD,
  PAGE_BYTES,
  RecordType,
  recordName,
  VCPU_RECORDS,
  type VcpuPart,
} from "./libxc-records.ts";
import { type RawRecord, readPfn, readRecord } from "./record.ts";
import { StreamError } from "./stream-error.ts";

const IDENT = 0x58454e46;
const OLDEST = 2;
const NEWEST = 3;
const OPTION_BIG_ENDIAN = 1;
const PAGE_SHIFT = 12;
/** Four times what libxc writes at most: 1024 pages. */
const RECORD_LIMIT = 2 ** 24;
const XSAVE_HEAD = 16;
const MSR_BYTES = 16;
const EXTENDED_LIMIT = 128;

/** Reads the headers of an image and its domain. @throws StreamError: no image, another version, or no PV domain */
export async function readImageHeader(input: ByteInput): Promise<ImageHeader> {
  const what = "the header of the domain's image";
  const { offset } = input;
  const bytes = await input.read(24, what);
  const view = viewOf(bytes);
  if (!bytes.subarray(0, 8).every((byte) => byte === 0xff))
    throw new StreamError(
      "unsupported",
      what,
      offset,
      "is not there: this is no image, or one of Xen 4.5 and older, which cannot be read",
    );
  if (view.getUint32(8, false) !== IDENT) throw new StreamError("malformed", what, offset, "has no XENF in it");
  const version = view.getUint32(12, false);
  if (version < OLDEST || version > NEWEST)
    throw new StreamError(
      "unsupported",
      what,
      offset,
      `has version ${version}: versions ${OLDEST} and ${NEWEST} can be read`,
    );
  if ((view.getUint16(16, false) & OPTION_BIG_ENDIAN) !== 0)
    throw new StreamError("unsupported", what, offset, "announces a big-endian stream");
  const about = "the header of the domain";
  const at = input.offset;
  const domain = viewOf(await input.read(16, about));
  const type = domain.getUint32(0, true);
  if (type === DomainType.x86Hvm)
    throw new StreamError("unsupported", about, at, "says HVM: only PV domains can be restored");
  if (type !== DomainType.x86Pv)
    throw new StreamError("unsupported", about, at, `names a kind of domain, ${type}, that is not known`);
  if (domain.getUint16(4, true) !== PAGE_SHIFT)
    throw new StreamError("malformed", about, at, `has pages of 2^${domain.getUint16(4, true)} bytes`);
  return { version, xenMajor: domain.getUint32(8, true), xenMinor: domain.getUint32(12, true) };
}

/**
 * The records of an image, up to END, which is the last that it gives. Records that may be passed over are.
 * @throws StreamError
 */
export async function* readDomainRecords(input: ByteInput): AsyncGenerator<DomainRecord, void> {
  for (;;) {
    const raw = await readRecord(input, recordName, RECORD_LIMIT);
    const record = parse(raw);
    if (record === undefined) continue;
    yield record;
    if (record.kind === "end") return;
  }
}

function parse(raw: RawRecord): DomainRecord | undefined {
  const { type, body } = raw;
  const view = viewOf(body);
  switch (type) {
    case RecordType.end:
      return empty(raw, { kind: "end" });
    case RecordType.verify:
      return empty(raw, { kind: "verify" });
    case RecordType.checkpoint:
      return empty(raw, { kind: "checkpoint" });
    case RecordType.staticDataEnd:
      return empty(raw, { kind: "staticDataEnd" });
    case RecordType.x86PvInfo:
      atLeast(raw, 8);
      return { kind: "pvInfo", guestWidth: body[0], levels: body[1] };
    case RecordType.x86CpuidPolicy:
      multipleOf(raw, 0, 24);
      return { kind: "cpuidPolicy", leaves: body };
    case RecordType.x86MsrPolicy:
      multipleOf(raw, 0, 16);
      return { kind: "msrPolicy", entries: body };
    case RecordType.x86PvP2mFrames:
      return p2mFrames(raw);
    case RecordType.pageData:
      return pageData(raw);
    case RecordType.x86TscInfo:
      atLeast(raw, 20);
      return {
        kind: "tscInfo",
        mode: view.getUint32(0, true),
        khz: view.getUint32(4, true),
        nsec: view.getBigUint64(8, true),
        incarnation: view.getUint32(16, true),
      };
    case RecordType.sharedInfo:
      if (body.length !== PAGE_BYTES) throw malformed(raw, `has ${body.length} bytes instead of ${PAGE_BYTES}`);
      return { kind: "sharedInfo", page: body };
    case VCPU_RECORDS.basic:
      return vcpu(raw, "basic");
    case VCPU_RECORDS.extended:
      return vcpu(raw, "extended");
    case VCPU_RECORDS.xsave:
      return vcpu(raw, "xsave");
    case VCPU_RECORDS.msrs:
      return vcpu(raw, "msrs");
    default:
      if ((type & OPTIONAL_RECORD) !== 0) return undefined;
      throw new StreamError(
        "unsupported",
        recordName(type),
        raw.offset,
        "is not of those that a PV domain's image has, and cannot be passed over",
      );
  }
}

const malformed = ({ type, offset }: RawRecord, reason: string): StreamError =>
  new StreamError("malformed", recordName(type), offset, reason);

function atLeast(raw: RawRecord, bytes: number): void {
  if (raw.body.length < bytes) throw malformed(raw, `has ${raw.body.length} bytes instead of ${bytes}`);
}

function multipleOf(raw: RawRecord, head: number, unit: number): void {
  atLeast(raw, head);
  if ((raw.body.length - head) % unit !== 0) throw malformed(raw, "ends within an entry");
}

function empty(raw: RawRecord, record: DomainRecord): DomainRecord {
  if (raw.body.length !== 0) throw malformed(raw, "has a body, though it should be empty");
  return record;
}

function p2mFrames(raw: RawRecord): DomainRecord {
  multipleOf(raw, 8, 8);
  const view = viewOf(raw.body);
  const first = view.getUint32(0, true);
  const last = view.getUint32(4, true);
  if (last < first) throw malformed(raw, `ends with page ${last}, before it begins with ${first}`);
  const pages: number[] = [];
  for (let at = 8; at < raw.body.length; at += 8) pages.push(readPfn(view, at));
  return { kind: "p2mFrames", first, last, pages };
}

function pageData(raw: RawRecord): DomainRecord {
  atLeast(raw, 8);
  const view = viewOf(raw.body);
  const count = view.getUint32(0, true);
  if (count === 0) throw malformed(raw, "holds no page");
  if (8 + 8 * count > raw.body.length) throw malformed(raw, `claims ${count} pages, more than it has room for`);
  const pfns: number[] = [];
  const types: number[] = [];
  let full = 0;
  for (let i = 0; i < count; i++) {
    const type = view.getUint32(8 + 8 * i + 4, true) >>> 28;
    if (!isPageType(type)) throw malformed(raw, `has a page of type ${type}, which does not exist`);
    pfns.push(readPfn(view, 8 + 8 * i));
    types.push(type);
    if (hasContents(type)) full++;
  }
  const contents = raw.body.subarray(8 + 8 * count);
  if (contents.length !== full * PAGE_BYTES)
    throw malformed(raw, `holds ${contents.length} bytes of pages instead of ${full * PAGE_BYTES}`);
  return { kind: "pageData", pfns, types, contents };
}

function vcpu(raw: RawRecord, part: VcpuPart): DomainRecord {
  atLeast(raw, 8);
  const context = raw.body.subarray(8);
  if (part === "extended" && context.length > EXTENDED_LIMIT)
    throw malformed(raw, `has ${context.length} bytes: ${EXTENDED_LIMIT} are the most`);
  // A vcpu that never used XSAVE has an empty record.
  if (part === "xsave" && context.length > 0 && context.length < XSAVE_HEAD) throw malformed(raw, "is too short");
  if (part === "msrs") multipleOf(raw, 8, MSR_BYTES);
  return { kind: "vcpu", part, vcpu: viewOf(raw.body).getUint32(0, true), context };
}
