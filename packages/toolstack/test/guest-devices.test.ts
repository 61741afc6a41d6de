import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ConfigError } from "../src/config/config-error.ts";
import { parseVif } from "../src/config/vif-config.ts";
import { GuestDevices } from "../src/devices/guest-devices.ts";
import { Machine } from "../src/index.ts";

describe("a guest's devices", () => {
  let machine: Machine;

  beforeEach(() => {
    machine = new Machine({ guestMemoryMiB: 8, uplinks: new Map() });
    machine.start();
  });

  afterEach(() => machine.close());

  it("are not changed by an interface that was refused", async () => {
    const first = parseVif("bridge=lan,mac=00:16:3e:00:00:01");
    const devices = new GuestDevices(machine.devices, () => machine.newMac(), [], [], [first]);
    devices.connect(1);
    expect(() => devices.attachVif(first)).toThrow(ConfigError);
    expect(devices.listVifs().map(({ handle }) => handle)).toEqual([0]);
    await expect(devices.detachVif(1)).rejects.toThrow(/no network interface 1/);
    expect(devices.attachVif(parseVif("bridge=lan"))).toBe(1);
    // The next domain gets what the guest has, and no more.
    await new Promise<void>((resolve) => devices.disconnect(resolve));
    devices.connect(2);
    expect(devices.listVifs().map(({ backendPath }) => backendPath)).toEqual([
      "/local/domain/0/backend/vif/2/0",
      "/local/domain/0/backend/vif/2/1",
    ]);
    await new Promise<void>((resolve) => devices.disconnect(resolve));
    expect(machine.networks.bridge("lan").ports()).toEqual([]);
  });
});
