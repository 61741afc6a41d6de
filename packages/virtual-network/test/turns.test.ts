import { describe, expect, it } from "vitest";
import { BROADCAST, ethernet, mac, plain } from "./frames.ts";
import { Lab } from "./lab.ts";

const sized = (to: string, from: string, bytes: number): Uint8Array =>
  ethernet(to, from, 0x88b5, new Uint8Array(bytes - 14));

/** Hosts that send to a sink for as long as they are asked. */
function endless(lab: Lab, sizes: number[]) {
  const sink = lab.host("sink", { mac: mac(99) });
  sink.port.onReceive = () => true;
  return sizes.map((size, i) => {
    const host = lab.host(`sender${i}`, { mac: mac(i + 1) });
    host.port.onTransmit = (budget) => {
      for (let sent = 0; sent < budget; sent++) host.send(sized(mac(99), mac(i + 1), size));
      return true;
    };
    host.port.requestTransmit();
    return host;
  });
}

describe("turns", () => {
  it("give ports of small and big packets the same share of work", () => {
    const lab = new Lab();
    const hosts = endless(lab, [65000, 1514, 60, 9000]);
    for (let turn = 0; turn < 60; turn++) lab.step();
    const work = hosts.map((host) => {
      const { packets, bytes } = host.port.counters().out;
      return bytes + 512 * packets;
    });
    const mean = work.reduce((sum, each) => sum + each) / work.length;
    for (const each of work) expect(Math.abs(each / mean - 1)).toBeLessThan(0.1);
  });

  it("do not let a port of changing sizes overdraw", () => {
    const lab = new Lab();
    const [tricky, honest] = endless(lab, [60, 1514]);
    let calls = 0;
    tricky.port.onTransmit = (budget) => {
      const size = calls++ % 2 === 0 ? 60 : 65000;
      for (let sent = 0; sent < budget; sent++) tricky.send(sized(mac(99), mac(1), size));
      return true;
    };
    for (let turn = 0; turn < 300; turn++) lab.step();
    const [a, b] = [tricky, honest].map((host) => host.port.counters().out);
    expect((a.bytes + 512 * a.packets) / (b.bytes + 512 * b.packets)).toBeLessThan(1.3);
  });

  it("end, so that the host's event loop goes on, and are taken up again", () => {
    const lab = new Lab();
    const [host] = endless(lab, [1514]);
    for (let turn = 1; turn < 20; turn++) {
      lab.step();
      expect(lab.waitingWork).toBe(1);
      // A turn's work is a megabyte, and what one visit may add.
      expect(host.port.counters().out.packets).toBeLessThan(turn * 1000);
      expect(host.port.counters().out.packets).toBeGreaterThan(turn * 300);
    }
  });

  it("tell each receiver once that its packets are over", () => {
    const lab = new Lab();
    const [a, b, c] = ["a", "b", "c"].map((name, i) => lab.host(name, { mac: mac(i + 1) }));
    a.enqueue(plain(mac(2), mac(1)), plain(mac(2), mac(1)), plain(BROADCAST, mac(1)));
    expect(b.received).toHaveLength(0);
    expect(lab.run()).toBe(1);
    expect([a.ends, b.ends, c.ends]).toEqual([0, 1, 1]);
    b.send(plain(mac(1), mac(2)));
    b.send(plain(mac(1), mac(2)));
    expect([a.received.length, a.ends]).toEqual([2, 0]);
    lab.run();
    expect(a.ends).toBe(1);
  });

  it("come to rest when nothing is left", () => {
    const lab = new Lab();
    const a = lab.host("a");
    a.port.requestTransmit();
    a.port.requestTransmit();
    lab.run();
    expect([a.visits, lab.waitingWork, lab.waitingTimers]).toEqual([1, 0, 0]);
  });

  it("go on for the others after a device has thrown", () => {
    const lab = new Lab();
    const [a, b] = ["a", "b"].map((name, i) => lab.host(name, { mac: mac(i + 1) }));
    a.port.onTransmit = () => {
      throw new Error("a broken device");
    };
    a.port.requestTransmit();
    b.enqueue(plain(mac(1), mac(2)));
    expect(() => lab.run()).toThrow("a broken device");
    lab.run();
    expect([a.received.length, a.ends]).toEqual([1, 1]);
  });
});

describe("back-pressure", () => {
  it("wakes exactly those whose packets were refused", () => {
    const lab = new Lab();
    const [a, b, c, d] = ["a", "b", "c", "d"].map((name, i) => lab.host(name, { mac: mac(i + 1) }));
    c.room = 0;
    a.enqueue(plain(mac(3), mac(1)));
    b.enqueue(plain(mac(4), mac(2)));
    lab.run();
    expect([a.queue.length, b.queue.length, d.received.length]).toEqual([1, 0, 1]);
    expect([a.visits, c.refusals, a.port.counters().refused]).toEqual([1, 1, 1]);
    a.port.requestTransmit();
    lab.run();
    expect(a.visits).toBe(1);
    c.makeRoom(5);
    lab.run();
    expect([a.readies, b.readies, d.readies, c.received.length]).toEqual([1, 0, 0, 1]);
    c.makeRoom(5);
    lab.run();
    expect(a.readies).toBe(1);
    expect(lab.waitingTimers).toBe(0);
    expect(a.drops).toEqual({ in: {}, out: {} });
  });

  it("asks a port again that was refused and answered that more waits", () => {
    const lab = new Lab();
    const [a, b] = ["a", "b"].map((name, i) => lab.host(name, { mac: mac(i + 1) }));
    a.port.onSendReady = undefined;
    b.room = 2;
    a.enqueue(...Array.from({ length: 5 }, () => plain(mac(2), mac(1))));
    lab.run();
    expect(b.received).toHaveLength(2);
    b.makeRoom(10);
    lab.run();
    expect(b.received).toHaveLength(5);
  });

  it("floods to those who have room; refuses only when nobody has", () => {
    const lab = new Lab();
    const [a, b, c] = ["a", "b", "c"].map((name, i) => lab.host(name, { mac: mac(i + 1) }));
    b.room = 0;
    expect(a.send(plain(BROADCAST, mac(1)))).toBe(true);
    expect([c.received.length, b.drops.in]).toEqual([1, { noRoom: 1 }]);
    c.room = 0;
    expect(a.send(plain(BROADCAST, mac(1)))).toBe(false);
    c.makeRoom(1);
    lab.run();
    expect(a.readies).toBe(1);
  });

  it("waits for a receiver that takes nothing only so long, then drops its packets", () => {
    const lab = new Lab({ patienceNs: 200e6 });
    const [a, b, c] = ["a", "b", "c"].map((name, i) => lab.host(name, { mac: mac(i + 1) }));
    b.room = 0;
    a.enqueue(plain(mac(2), mac(1)), plain(mac(3), mac(1)), plain(mac(2), mac(1)));
    lab.advance(199e6);
    expect(c.received).toHaveLength(0);
    lab.advance(2e6);
    expect([c.received.length, a.queue.length]).toEqual([1, 0]);
    expect(b.drops.in).toEqual({ stalled: 2 });
    expect(lab.waitingTimers).toBe(0);
    // Time without refusals earns patience again.
    b.makeRoom(0);
    lab.advance(1e9);
    a.enqueue(plain(mac(2), mac(1)));
    lab.advance(100e6);
    expect(a.queue).toHaveLength(1);
    b.makeRoom(1);
    lab.run();
    expect(b.received).toHaveLength(1);
  });

  it("a receiver that dribbles can't hold up its senders for long; one that works can", () => {
    const lab = new Lab({ patienceNs: 200e6 });
    const [a, b, c] = ["a", "b", "c"].map((name, i) => lab.host(name, { mac: mac(i + 1) }));
    b.room = 0;
    for (let i = 0; i < 400; i++) a.queue.push(plain(mac(i % 2 === 0 ? 2 : 3), mac(1)));
    a.port.requestTransmit();
    for (let i = 0; i < 20; i++) {
      lab.advance(90e6);
      b.makeRoom(1);
    }
    lab.advance(1e9);
    expect(c.received).toHaveLength(200);
    expect(b.drops.in.stalled).toBeGreaterThan(150);

    const worker = lab.host("worker", { mac: mac(5) });
    worker.room = 0;
    for (let i = 0; i < 5000; i++) a.queue.push(plain(mac(5), mac(1)));
    a.port.requestTransmit();
    for (let i = 0; i < 50; i++) {
      lab.advance(50e6);
      worker.makeRoom(100);
    }
    lab.run();
    expect(worker.received).toHaveLength(5000);
    expect(worker.drops.in).toEqual({});
  });

  it("nobody waits for a port that goes away or loses its carrier", () => {
    for (const leave of ["remove", "carrier"] as const) {
      const lab = new Lab();
      const [a, b] = ["a", "b"].map((name, i) => lab.host(name, { mac: mac(i + 1) }));
      b.room = 0;
      a.enqueue(plain(mac(2), mac(1)));
      lab.run();
      expect(a.queue).toHaveLength(1);
      if (leave === "remove") b.port.remove();
      else b.port.carrier = false;
      lab.run();
      expect([a.queue.length, lab.waitingTimers]).toEqual([0, 0]);
    }
  });

  it("serves the waiting in turn, so that none is starved", () => {
    const lab = new Lab();
    const sink = lab.host("sink", { mac: mac(99) });
    const hosts = Array.from({ length: 10 }, (_, i) => lab.host(`h${i}`, { mac: mac(i + 1) }));
    sink.room = 0;
    for (const [i, host] of hosts.entries())
      host.enqueue(...Array.from({ length: 100 }, () => plain(mac(99), mac(i + 1))));
    lab.run();
    for (let round = 0; round < 20; round++) {
      sink.makeRoom(10);
      lab.run();
    }
    for (const [i] of hosts.entries())
      expect(sink.senders.filter((sender) => sender === mac(i + 1)).length).toBeGreaterThan(0);
  });
});
