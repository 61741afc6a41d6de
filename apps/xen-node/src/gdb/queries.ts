import type { DebugTarget } from "./debug-target.ts";
import { fromHex, hexNumber, toHex } from "./hex.ts";
import { TARGET_DESCRIPTION } from "./target-description.ts";

/** Most bytes of a packet's payload, told to gdb. */
export const PACKET_SIZE = 0x4000;
/** Most bytes of a document in one packet: each may be escaped. */
const XFER_CHUNK = 0x1000;

/** A character string that holds one byte of UTF-8 each. */
const bytesOf = (text: string): string => Buffer.from(text).toString("latin1");

/** The state that general queries ask about and set. */
export interface QueryState {
  /** Thread that `g`, `m` and the like mean. */
  readonly generalThread: number;
  /** Acknowledgements are still sent and expected. */
  acknowledge: boolean;
  readonly features: { swbreak: boolean; hwbreak: boolean };
}

/** Answers a q or Q packet; "" for what is not known (gdb manual, E.4). */
export function answerQuery(packet: string, target: DebugTarget, state: QueryState): string {
  const name = /^[qQ][A-Za-z]+/.exec(packet)?.[0] ?? "";
  const rest = packet.slice(name.length);
  switch (name) {
    case "qSupported":
      return supported(rest, state);
    case "QStartNoAckMode":
      state.acknowledge = false;
      return "OK";
    case "qC":
      return target.threads.length === 0 ? "" : `QC${state.generalThread.toString(16)}`;
    case "qAttached":
      // The guest was there before the debugger: gdb detaches on leaving instead of killing.
      return "1";
    case "qfThreadInfo":
      return `m${target.threads.map((thread) => thread.toString(16)).join(",")}`;
    case "qsThreadInfo":
      return "l";
    case "qThreadExtraInfo": {
      const thread = hexNumber(rest.slice(1));
      return thread === undefined || !target.threads.includes(thread)
        ? "E01"
        : toHex(Buffer.from(target.describeThread(thread)));
    }
    case "qXfer":
      return transfer(rest, target);
    case "qSymbol":
      return "OK";
    case "qRcmd": {
      const command = fromHex(rest.slice(1));
      return command === undefined ? "E01" : toHex(Buffer.from(target.monitor(Buffer.from(command).toString())));
    }
    default:
      return "";
  }
}

function supported(offer: string, state: QueryState): string {
  const offered = new Set(offer.slice(1).split(";"));
  state.features.swbreak = offered.has("swbreak+");
  state.features.hwbreak = offered.has("hwbreak+");
  return [
    `PacketSize=${PACKET_SIZE.toString(16)}`,
    "QStartNoAckMode+",
    "qXfer:features:read+",
    "qXfer:threads:read+",
    "swbreak+",
    "hwbreak+",
    "vContSupported+",
  ].join(";");
}

/** qXfer:OBJECT:read:ANNEX:OFFSET,LENGTH: a window of a document. */
function transfer(rest: string, target: DebugTarget): string {
  const match = /^:(\w+):read:([^:]*):([0-9a-f]+),([0-9a-f]+)$/i.exec(rest);
  if (match === null) return "";
  const [, object, annex, offsetText, lengthText] = match;
  let document: string;
  if (object === "features") {
    if (annex !== "target.xml") return "E00";
    document = TARGET_DESCRIPTION;
  } else if (object === "threads") {
    document = threadsDocument(target);
  } else {
    return "";
  }
  const bytes = bytesOf(document);
  const offset = hexNumber(offsetText) ?? bytes.length;
  const length = Math.min(hexNumber(lengthText) ?? 0, XFER_CHUNK);
  const more = offset + length < bytes.length;
  return `${more ? "m" : "l"}${bytes.slice(offset, offset + length)}`;
}

function threadsDocument(target: DebugTarget): string {
  const lines = target.threads.map(
    (thread) => `<thread id="${thread.toString(16)}" core="0">${escapeXml(target.describeThread(thread))}</thread>\n`,
  );
  return `<?xml version="1.0"?>\n<threads>\n${lines.join("")}</threads>\n`;
}

function escapeXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
