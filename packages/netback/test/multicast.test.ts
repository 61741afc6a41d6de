import { describe, expect, it } from "vitest";
import type { RawFrontend } from "./support/raw-frontend.ts";
import { FRONTEND, World } from "./support/world.ts";

const EXTRA = 8;
const ADD = 2;
const DEL = 3;

function connected(control: string | undefined = "1") {
  const world = new World();
  const frontend = world.raw({ "request-multicast-control": control });
  const change = (type: number, address: number[], by: RawFrontend = frontend) => {
    by.ask({ flags: EXTRA, size: 0, gref: 0 });
    by.askExtra(type, 0, ...address);
    by.push();
    world.run();
    return by.responses().map(({ status }) => status);
  };
  return { world, frontend, change, port: world.port };
}

describe("multicast control", () => {
  it("gives the frontend's addresses to the port", () => {
    const { change, port, world } = connected();
    expect(port.filter).toEqual([]);
    expect(change(ADD, [1, 0, 0x5e, 0, 0, 1])).toEqual([0, 1]);
    expect(change(ADD, [0x33, 0x33, 0, 0, 0, 1])).toEqual([0, 1]);
    expect(change(ADD, [0x33, 0x33, 0, 0, 0, 1])).toEqual([0, 1]);
    expect(port.filter).toEqual(["01005e000001", "333300000001"]);
    expect(change(DEL, [1, 0, 0x5e, 0, 0, 1])).toEqual([0, 1]);
    expect(change(DEL, [1, 0, 0x5e, 0, 0, 9])).toEqual([0, 1]);
    expect(port.filter).toEqual(["333300000001"]);
    expect([port.sent.length, world.vif.statistics.transmit.packets]).toEqual([0, 0]);
  });

  it("is bounded, and takes group addresses only", () => {
    const { change, port } = connected();
    for (let i = 0; i < 64; i++) expect(change(ADD, [1, 0, 0x5e, 0, 0, i])).toEqual([0, 1]);
    expect(change(ADD, [1, 0, 0x5e, 0, 1, 0])).toEqual([-1, 1]);
    expect(change(ADD, [1, 0, 0x5e, 0, 0, 63])).toEqual([0, 1]);
    expect(change(DEL, [1, 0, 0x5e, 0, 0, 0])).toEqual([0, 1]);
    expect(change(ADD, [0, 0x16, 0x3e, 0, 0, 1])).toEqual([-1, 1]);
    expect(port.filter?.length).toBe(63);
  });

  it("is off unless asked for, and may be switched while connected", () => {
    const { world, change, port } = connected("0");
    change(ADD, [1, 0, 0x5e, 0, 0, 1]);
    expect(port.filter).toBe(undefined);
    world.store.write(`${FRONTEND}/request-multicast-control`, "1");
    world.settle();
    expect(port.filter).toEqual(["01005e000001"]);
    world.store.rm(`${FRONTEND}/request-multicast-control`);
    world.settle();
    expect(port.filter).toBe(undefined);
  });

  it("ends with the connection", () => {
    const { world, change, port } = connected();
    change(ADD, [1, 0, 0x5e, 0, 0, 1]);
    world.frontendState(6);
    expect(port.filter).toBe(undefined);
    world.frontendState(1);
    world.raw({ "request-multicast-control": "1" });
    expect(port.filter).toEqual([]);
  });
});
