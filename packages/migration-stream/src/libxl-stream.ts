import { type ByteInput, type ByteOutput, viewOf } from "./byte-input.ts";
import { readRecord, writeRecord } from "./record.ts";
import { StreamError } from "./stream-error.ts";

// docs/specs/libxl-migration-stream.pandoc, version 2: what the toolstack puts around libxc's stream.

const IDENT = "LibxlFmt";
const VERSION = 2;
const HEADER_BYTES = 16;
const OPTION_BIG_ENDIAN = 1;
const OPTION_LEGACY = 2;
const RECORD_LIMIT = 2 ** 24;

const TYPES = {
  end: 0,
  libxcContext: 1,
  emulatorXenstoreData: 2,
  emulatorContext: 3,
  checkpointEnd: 4,
  checkpointState: 5,
} as const;
const NAMES = [
  "END",
  "LIBXC_CONTEXT",
  "EMULATOR_XENSTORE_DATA",
  "EMULATOR_CONTEXT",
  "CHECKPOINT_END",
  "CHECKPOINT_STATE",
];
const OPTIONAL = 0x80000000;

const nameOf = (type: number): string => `libxl's record ${NAMES[type] ?? `0x${type.toString(16)}`}`;

export type LibxlRecord =
  | { kind: "end" }
  /** libxc's stream follows. */
  | { kind: "libxcContext" }
  /** Nodes of xenstore for a device model: path, value, path, value, ... */
  | { kind: "emulatorXenstoreData"; emulator: number; index: number; nodes: string[] };

export async function writeLibxlHeader(out: ByteOutput): Promise<void> {
  const bytes = new Uint8Array(HEADER_BYTES);
  bytes.set(new TextEncoder().encode(IDENT));
  // This header alone is big-endian, so that it can be read before the byte order is known.
  viewOf(bytes).setUint32(8, VERSION, false);
  await out.write(bytes);
}

/** @throws StreamError */
export async function readLibxlHeader(input: ByteInput): Promise<void> {
  const what = "the header of libxl's stream";
  const { offset } = input;
  const bytes = await input.read(HEADER_BYTES, what);
  const view = viewOf(bytes);
  if (new TextDecoder("latin1").decode(bytes.subarray(0, 8)) !== IDENT)
    throw new StreamError("malformed", what, offset, `does not begin with ${IDENT}`);
  const version = view.getUint32(8, false);
  if (version !== VERSION)
    throw new StreamError("unsupported", what, offset, `has version ${version}: version ${VERSION} can be read`);
  const options = view.getUint32(12, false);
  if ((options & OPTION_BIG_ENDIAN) !== 0)
    throw new StreamError("unsupported", what, offset, "announces a big-endian stream");
  if ((options & OPTION_LEGACY) !== 0)
    throw new StreamError("unsupported", what, offset, "announces a stream that was converted from an older Xen's");
}

export async function writeLibxlRecord(out: ByteOutput, record: LibxlRecord): Promise<void> {
  if (record.kind !== "emulatorXenstoreData") {
    await writeRecord(out, TYPES[record.kind]);
    return;
  }
  const head = new Uint8Array(8);
  viewOf(head).setUint32(0, record.emulator, true);
  viewOf(head).setUint32(4, record.index, true);
  const text = record.nodes.map((node) => `${node}\0`).join("");
  await writeRecord(out, TYPES.emulatorXenstoreData, head, new TextEncoder().encode(text));
}

/** The next record that is not passed over. @throws StreamError */
export async function readLibxlRecord(input: ByteInput): Promise<LibxlRecord> {
  for (;;) {
    const { type, body, offset } = await readRecord(input, nameOf, RECORD_LIMIT);
    switch (type) {
      case TYPES.end:
        return { kind: "end" };
      case TYPES.libxcContext:
        return { kind: "libxcContext" };
      case TYPES.emulatorXenstoreData: {
        if (body.length < 8) throw new StreamError("malformed", nameOf(type), offset, "is too short");
        const text = new TextDecoder().decode(body.subarray(8));
        if (text !== "" && !text.endsWith("\0"))
          throw new StreamError("malformed", nameOf(type), offset, "does not end with a NUL");
        const view = viewOf(body);
        const nodes = text === "" ? [] : text.slice(0, -1).split("\0");
        return {
          kind: "emulatorXenstoreData",
          emulator: view.getUint32(0, true),
          index: view.getUint32(4, true),
          nodes,
        };
      }
      default:
        if ((type & OPTIONAL) !== 0) continue;
        throw new StreamError("unsupported", nameOf(type), offset, "is not read here, and cannot be passed over");
    }
  }
}
