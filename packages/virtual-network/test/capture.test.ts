import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join as joinPath } from "node:path";
import { GsoType, type Packet } from "@xen-node/packets";
import { describe, expect, it } from "vitest";
import { mac, plain, tcpFrame, udpFrame } from "./frames.ts";
import { Lab } from "./lab.ts";

const tcpdumpMissing = spawnSync("tcpdump", ["--version"]).error !== undefined;
const startMs = Date.UTC(2026, 0, 2, 3, 4, 5);

/** What tcpdump says of a capture, line by line. */
function dump(chunks: Uint8Array[], ...options: string[]): string[] {
  const folder = mkdtempSync(joinPath(tmpdir(), "capture-"));
  try {
    const file = joinPath(folder, "capture.pcapng");
    writeFileSync(file, Buffer.concat(chunks));
    const output = execFileSync("tcpdump", ["-r", file, "-n", ...options], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
      env: { ...process.env, TZ: "UTC" },
    });
    return output.split("\n").filter((line) => line !== "");
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function setup() {
  const lab = new Lab();
  const [a, b] = ["a", "b"].map((name, i) => lab.host(name, { mac: mac(i + 1) }));
  const chunks: Uint8Array[] = [];
  const sink = (bytes: Uint8Array) => void chunks.push(bytes);
  return { lab, a, b, chunks, sink };
}

/** A frame whose TCP checksum was left to others, as a large segment. */
function large(payloadBytes: number, gsoSize = 1000): Packet {
  const bytes = tcpFrame({ from: "10.0.0.1", to: "10.0.0.2" }, 40000, 9999, new Uint8Array(payloadBytes));
  bytes.set([0xab, 0xcd], 14 + 20 + 16);
  return { bytes, checksumBlank: true, checksumValid: true, gsoType: gsoSize > 0 ? GsoType.tcpv4 : 0, gsoSize };
}

describe.skipIf(tcpdumpMissing && process.env.CI === undefined)("a capture, read by tcpdump", () => {
  it("has both directions with nanoseconds", () => {
    const { lab, a, b, chunks, sink } = setup();
    const capture = a.port.captureTo(sink, { startMs });
    lab.now += 1_000_000_123;
    a.send(udpFrame({ from: "10.0.0.1", to: "10.0.0.2" }, 5000, 53, [1, 2, 3]));
    lab.now += 5_000_000_000;
    b.send(tcpFrame({ from: "10.0.0.2", to: "10.0.0.1", fromMac: mac(2), toMac: mac(1) }, 80, 40000));
    expect([capture.packets, capture.lost]).toEqual([2, 0]);
    const lines = dump(chunks, "-tttt", "--nano");
    expect(lines).toHaveLength(2);
    expect(lines[0]).toContain("2026-01-02 03:04:06.000000123 IP 10.0.0.1.5000 > 10.0.0.2.53");
    expect(lines[1]).toContain("2026-01-02 03:04:11.000000123 IP 10.0.0.2.80 > 10.0.0.1.40000");
    const flags = chunks.slice(1).map((block) => new DataView(block.buffer).getUint32(block.length - 12, true));
    expect(flags).toEqual([2, 1]);
  });

  it("completes checksums, and keeps large packets whole", () => {
    const { a, b, chunks, sink } = setup();
    a.port.captureTo(sink, { startMs });
    const packet = large(20000);
    const before = packet.bytes.slice();
    a.send(packet);
    const lines = dump(chunks, "-vv").join("\n");
    expect(lines).toContain("cksum 0x");
    expect(lines).not.toContain("incorrect");
    expect(lines).toContain("length 20000");
    expect(packet.bytes).toEqual(before);
    expect(b.received[0]).toEqual(before);
  });

  it("by choice leaves checksums, cuts segments, cuts bytes, leaves directions out", () => {
    const { a, sink: raw, chunks: rawChunks } = setup();
    a.port.captureTo(raw, { startMs, completeChecksums: false });
    const cut: Uint8Array[] = [];
    a.port.captureTo((bytes) => void cut.push(bytes), { startMs, segment: true, directions: false });
    const short: Uint8Array[] = [];
    a.port.captureTo((bytes) => void short.push(bytes), { startMs, snapLength: 60 });
    a.send(large(2500));
    expect(dump(rawChunks, "-vv").join("\n")).toContain("incorrect");
    const lines = dump(cut, "-vv").join("\n");
    expect(lines).not.toContain("incorrect");
    expect([...lines.matchAll(/, length (\d+)$/gm)].map((match) => match[1])).toEqual(["1000", "1000", "500"]);
    expect(dump(short, "-v").join("\n")).toContain("length 2500");
    expect(short[1].length).toBe(12 + 20 + 60 + 12);
  });
});

describe("a capture", () => {
  it("shows what the device sent, dropped or not, and what it was given, each once", () => {
    const { lab, a, b, chunks, sink } = setup();
    const capture = a.port.captureTo(sink);
    a.port.rules.append("out drop any");
    a.send(plain(mac(2), mac(1)));
    expect(capture.packets).toBe(1);
    a.port.rules.remove(a.port.rules.list()[0].id);
    b.room = 0;
    a.enqueue(plain(mac(2), mac(1)));
    lab.run();
    expect(capture.packets).toBe(1);
    b.makeRoom(1);
    lab.run();
    expect(capture.packets).toBe(2);
    a.room = 0;
    b.send(plain(mac(1), mac(2)));
    a.room = 1;
    b.send(plain(mac(1), mac(2)));
    expect(capture.packets).toBe(3);
    capture.close();
    capture.close();
    a.send(plain(mac(2), mac(1)));
    expect([capture.packets, chunks.length]).toEqual([3, 4]);
  });

  it("has an answer behind its question, also when it comes in the same call", () => {
    const { a, b, chunks, sink } = setup();
    b.port.onReceive = () => b.send(plain(mac(1), mac(2), "pong"));
    a.port.captureTo(sink);
    a.send(plain(mac(2), mac(1), "ping"));
    const texts = chunks.slice(1).map((block) => new TextDecoder().decode(block.subarray(28 + 14, 28 + 18)));
    expect(texts).toEqual(["ping", "pong"]);
  });

  it("loses packets while its sink is full, and says how many", () => {
    const { a } = setup();
    const chunks: Uint8Array[] = [];
    let room = true;
    const capture = a.port.captureTo((bytes) => {
      chunks.push(bytes);
      return room;
    });
    room = false;
    for (let i = 0; i < 5; i++) a.send(plain(mac(2), mac(1)));
    expect([chunks.length, capture.packets, capture.lost]).toEqual([2, 1, 4]);
    room = true;
    capture.ready();
    a.send(plain(mac(2), mac(1)));
    const last = chunks[2];
    const view = new DataView(last.buffer);
    // Options: flags (8 bytes), the drop count (4 and 8), the end (4), and the block's length.
    expect([view.getUint16(last.length - 20, true), view.getUint32(last.length - 16, true)]).toEqual([4, 4]);
  });
});
