import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ethernet, ip, ipv4, mac, plain, tcpFrame, udpFrame } from "./frames.ts";
import { Lab } from "./lab.ts";

describe("flows", () => {
  it("are counted by 5-tuple, with times", () => {
    const lab = new Lab();
    const [a, b] = ["a", "b"].map((name, i) => lab.host(name, { mac: mac(i + 1) }));
    const web = tcpFrame({ from: "10.0.0.1", to: "192.0.2.1" }, 40000, 443, new Uint8Array(1000));
    const name = udpFrame({ from: "fd00::1", to: "fd00::2" }, 5353, 53);
    const start = lab.now;
    a.send(name);
    lab.now += 100;
    a.send(web);
    lab.now += 100;
    a.send(web);
    a.send(plain(mac(2), mac(1)));
    a.send(ip({ from: "10.0.0.1", to: "192.0.2.1" }, 1, Uint8Array.of(8, 0, 0, 0, 0, 0, 0, 0)));
    b.room = 0;
    a.send(web);
    expect(a.port.flows()).toEqual([
      {
        source: "10.0.0.1",
        destination: "192.0.2.1",
        protocol: 6,
        sourcePort: 40000,
        destinationPort: 443,
        packets: 2,
        bytes: 2 * web.length,
        firstSeenNs: start + 100,
        lastSeenNs: start + 200,
      },
      expect.objectContaining({ source: "fd00::1", destination: "fd00::2", protocol: 17, destinationPort: 53 }),
      expect.objectContaining({ protocol: 1, sourcePort: -1, destinationPort: -1, packets: 1 }),
    ]);
    expect(a.port.flows(1)).toHaveLength(1);
    expect(b.port.flows()).toEqual([]);
    expect(a.port.counters().out).toEqual({ packets: 5, bytes: 2 * web.length + name.length + 19 + 42, drops: {} });
    expect(a.port.counters().flows).toBe(a.port.flows().length);
    expect(b.port.counters()).toMatchObject({ flows: 0, in: { packets: 5 } });
  });

  it("stay within their table; the one not seen for longest goes, a busy one stays", () => {
    const lab = new Lab({ flowsPerPort: 64 });
    const a = lab.host("a", { mac: mac(1) });
    const other = lab.host("other", { mac: mac(3) });
    other.send(udpFrame({ from: "10.0.0.3", to: "10.0.0.9", fromMac: mac(3) }, 1, 2));
    const busy = udpFrame({ from: "10.0.0.1", to: "10.0.0.2" }, 1, 53);
    for (let i = 0; i < 5000; i++) {
      lab.now++;
      a.send(busy);
      a.send(udpFrame({ from: "10.0.0.1", to: "10.0.0.2" }, 2000 + (i % 60000), 80));
    }
    expect(a.port.flows().length).toBeLessThanOrEqual(64);
    expect(a.port.counters().flows).toBe(5001);
    expect(a.port.flows(1)[0]).toMatchObject({ destinationPort: 53, packets: 5000 });
    expect(other.port.flows()).toHaveLength(1);
  });

  it("add up to the port's counters as long as the table holds them all", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(2), fc.nat(2), fc.boolean()), { maxLength: 40 }), (sends) => {
        const lab = new Lab({ flowsPerPort: 256 });
        const a = lab.host("a");
        lab.host("b");
        for (const [source, destination, later] of sends)
          a.send(
            later
              ? ethernet(mac(2), mac(1), 0x800, ipv4(`10.0.0.${source}`, "10.0.0.9", 17, new Uint8Array(16), 9))
              : udpFrame({ from: `10.0.0.${source}`, to: "10.0.0.9" }, 1, destination),
          );
        const sum = (key: "packets" | "bytes") => a.port.flows().reduce((total, flow) => total + flow[key], 0);
        const { packets, bytes } = a.port.counters().out;
        expect([sum("packets"), sum("bytes")]).toEqual([packets, bytes]);
      }),
      { numRuns: 100 },
    );
  });
});
