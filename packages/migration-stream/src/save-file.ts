import { type ByteInput, type ByteOutput, viewOf } from "./byte-input.ts";
import { StreamError } from "./stream-error.ts";

// tools/xl/xl.h and xl_saverestore.c: struct save_file_header, in front of libxl's stream.

const MAGIC = new TextEncoder().encode("Xen saved domain, xl format\n \0 \r");
const HEADER_BYTES = 48;
const BYTE_ORDER = 0x01020304;
const BYTE_ORDER_SWAPPED = 0x04030201;
/** The configuration is libxl's JSON, not the text of an xl.cfg. */
const MANDATORY_JSON = 1;
/** What follows is libxl's stream, version 2. */
const MANDATORY_STREAM_V2 = 2;
const OPTIONAL_DATA_LIMIT = 2 ** 20;
const WHAT = "the header of the save file";

/** What xl writes before a saved domain. */
export interface SaveFileHeader {
  mandatoryFlags: number;
  optionalFlags: number;
  optionalBytes: number;
  /** libxl's JSON of the domain; undefined if the file holds none. */
  config: string | undefined;
}

/** Writes it, with a domain's configuration as JSON. @returns what was written, for xl's banner */
export async function writeSaveFileHeader(out: ByteOutput, config: string): Promise<SaveFileHeader> {
  const text = new TextEncoder().encode(config);
  const bytes = new Uint8Array(HEADER_BYTES + 4 + text.length);
  const view = viewOf(bytes);
  const header = {
    mandatoryFlags: MANDATORY_JSON | MANDATORY_STREAM_V2,
    optionalFlags: 0,
    optionalBytes: 4 + text.length,
    config,
  };
  bytes.set(MAGIC);
  view.setUint32(32, BYTE_ORDER, true);
  view.setUint32(36, header.mandatoryFlags, true);
  view.setUint32(40, header.optionalFlags, true);
  view.setUint32(44, header.optionalBytes, true);
  view.setUint32(48, text.length, true);
  bytes.set(text, HEADER_BYTES + 4);
  await out.write(bytes);
  return header;
}

/** @throws StreamError */
export async function readSaveFileHeader(input: ByteInput): Promise<SaveFileHeader> {
  const { offset } = input;
  const bytes = await input.read(HEADER_BYTES, WHAT);
  const wrong = (code: "malformed" | "unsupported", reason: string): StreamError =>
    new StreamError(code, WHAT, offset, reason);
  if (!MAGIC.every((byte, i) => bytes[i] === byte))
    throw wrong("malformed", "is not there: this is no file of xl save");
  const view = viewOf(bytes);
  const order = view.getUint32(32, true);
  if (order === BYTE_ORDER_SWAPPED) throw wrong("unsupported", "says that a big-endian machine wrote the file");
  if (order !== BYTE_ORDER) throw wrong("malformed", "has no byte order");
  const mandatoryFlags = view.getUint32(36, true);
  const unknown = (mandatoryFlags & ~(MANDATORY_JSON | MANDATORY_STREAM_V2)) >>> 0;
  if (unknown !== 0) throw wrong("unsupported", `asks for what is not known here (flags 0x${unknown.toString(16)})`);
  if ((mandatoryFlags & MANDATORY_STREAM_V2) === 0)
    throw wrong("unsupported", "announces the stream of Xen 4.5 and older: save the domain with a newer Xen");
  const optionalFlags = view.getUint32(40, true);
  const optionalBytes = view.getUint32(44, true);
  if (optionalBytes > OPTIONAL_DATA_LIMIT) throw wrong("malformed", `claims ${optionalBytes} bytes of configuration`);
  const optional = await input.read(optionalBytes, "the configuration in the save file");
  let config: string | undefined;
  if (optionalBytes >= 4 && (mandatoryFlags & MANDATORY_JSON) !== 0) {
    const length = viewOf(optional).getUint32(0, true);
    if (length > optionalBytes - 4) throw wrong("malformed", "holds a configuration that is longer than its place");
    config = new TextDecoder().decode(optional.subarray(4, 4 + length)).replace(/\0+$/, "");
  }
  return { mandatoryFlags, optionalFlags, optionalBytes, config };
}
