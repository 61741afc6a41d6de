import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodePacket, type Incoming, PacketDecoder } from "../../src/gdb/packet.ts";

const decode = (bytes: Uint8Array | string, limit = 1000): Incoming[] =>
  new PacketDecoder(limit).push(Buffer.from(bytes));

describe("packets of the remote protocol", () => {
  it("are framed with a checksum", () => {
    expect(encodePacket("OK").toString()).toBe("$OK#9a");
    expect(encodePacket("").toString()).toBe("$#00");
    expect(encodePacket("a#$}*b").toString("latin1")).toBe("$a}\x03}\x04}]}\nb#25");
  });

  it("come back as they were sent, in whatever pieces", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.integer({ min: 1, max: 20 }), (bytes, piece) => {
        const payload = Buffer.from(bytes).toString("latin1");
        const frame = encodePacket(payload);
        const decoder = new PacketDecoder(1000);
        const items: Incoming[] = [];
        for (let at = 0; at < frame.length; at += piece) items.push(...decoder.push(frame.subarray(at, at + piece)));
        expect(items).toEqual([{ kind: "packet", payload }]);
      }),
    );
  });

  it("may be garbled, cut off or too long", () => {
    expect(decode("$OK#00")).toEqual([{ kind: "garbled" }]);
    expect(decode("$OK#zz")).toEqual([{ kind: "garbled" }]);
    expect(decode("$O$OK#9a")).toEqual([{ kind: "packet", payload: "OK" }]);
    expect(decode("$aaaa#84", 3)).toEqual([{ kind: "garbled" }]);
  });

  it("stand among acknowledgements and interrupts; anything else between them is noise", () => {
    expect(decode("+-\x03?$?#3f+")).toEqual([
      { kind: "ack" },
      { kind: "nak" },
      { kind: "interrupt" },
      { kind: "packet", payload: "?" },
      { kind: "ack" },
    ]);
  });

  it("never throw on rubbish", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 500 }), (bytes) => void decode(bytes)));
  });
});
