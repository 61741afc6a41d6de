import { createMemoryDisk } from "@xen-node/virtual-disk";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { DeviceLab, type LabGuest } from "./support/device-lab.ts";
import { HonestDisk, HonestPair } from "./support/honest-guests.ts";
import { RawBlockFrontend } from "./support/raw-block-frontend.ts";
import { RawNetworkFrontend } from "./support/raw-network-frontend.ts";
import { settle, until } from "./support/until.ts";

const lab = new DeviceLab();
let disk: HonestDisk;
let pair: HonestPair;
let guest: LabGuest;

beforeAll(() => lab.machine.start());
afterAll(() => lab.machine.stop());
beforeEach(async () => {
  disk = new HonestDisk(lab);
  pair = new HonestPair(lab);
  await disk.connect();
  await pair.connect();
  await until(() => pair.connected, "the honest guests are connected");
  guest = lab.createGuest();
});
afterEach(async () => {
  await disk.round();
  await pair.round();
  await lab.end();
});

interface Frontend {
  readonly backState: string | undefined;
  setState(state: number): void;
  release(): boolean;
}

interface Device {
  readonly front: string;
  /** Makes rings and writes their nodes. */
  make(): Frontend;
  /** State of the frontend at which the backend connects. */
  readonly connectAt: number;
  remove(options: { force?: boolean }): Promise<void>;
}

const kinds: { [name: string]: () => Device } = {
  vbd: () => {
    const paths = guest.addDisk(createMemoryDisk(1 << 20));
    return {
      front: paths.front,
      make: () => new RawBlockFrontend(guest, paths),
      connectAt: 3,
      remove: (options) => new Promise((resolve) => guest.devices.removeDisk(paths.id, options, resolve)),
    };
  },
  vif: () => {
    const paths = guest.addVif("00:16:3e:66:66:66");
    return {
      front: paths.front,
      make: () => new RawNetworkFrontend(guest, paths),
      connectAt: 4,
      remove: (options) => new Promise((resolve) => guest.devices.removeVif(paths.id, options, resolve)),
    };
  },
};

/** How a frontend comes to each state: Initialising, InitWait, Initialised, Connected, Closing, Closed, and no state. */
const histories = [[], [2], [3], [4], [3, 4], [4, 5], [3, 5], [3, 4, 5, 6], [6], [5], [7], [8]];

describe.each(Object.keys(kinds))("a %s", (kind) => {
  describe.each(histories)("whose frontend went through %j", (...states) => {
    async function arrive(): Promise<{ device: Device; frontend: Frontend }> {
      const device = kinds[kind]();
      const frontend = device.make();
      for (const state of states) {
        frontend.setState(state);
        await settle();
      }
      return { device, frontend };
    }

    it("and comes back after closing", async () => {
      const { device, frontend } = await arrive();
      for (const state of [5, 6]) {
        frontend.setState(state);
        await settle();
      }
      expect(frontend.backState).toBe("6");
      expect(frontend.release()).toBe(true);
      frontend.setState(1);
      await settle();
      expect(frontend.backState).toBe("2");
      const next = device.make();
      next.setState(device.connectAt);
      await until(() => next.backState === "4", "it is connected");
    });

    it("and begins anew without closing", async () => {
      const { device, frontend } = await arrive();
      frontend.setState(1);
      await settle();
      expect(frontend.backState).toBe("2");
      expect(frontend.release()).toBe(true);
      const next = device.make();
      next.setState(device.connectAt);
      await until(() => next.backState === "4", "it is connected");
    });

    it("and removes its state, and then all its nodes", async () => {
      const { device, frontend } = await arrive();
      guest.store.rm(`${device.front}/state`);
      await settle();
      if (guest.store.exists(device.front)) guest.store.rm(device.front);
      await settle();
      expect(frontend.release()).toBe(true);
      expect(guest.guest.domain.totalPages).toBe(0);
      await device.remove({});
    });

    it("and is detached by force", async () => {
      const { device, frontend } = await arrive();
      await device.remove({ force: true });
      expect(frontend.release()).toBe(true);
      expect(guest.guest.domain.totalPages).toBe(0);
    });

    it("and is destroyed", async () => {
      await arrive();
      guest.destroy();
      await until(() => guest.gone, "the domain is destroyed");
    });
  });

  it.each(["99", "", "4x", "\0"])("whose state is %j is gone", async (state) => {
    const device = kinds[kind]();
    const frontend = device.make();
    frontend.setState(device.connectAt);
    await until(() => frontend.backState === "4", "it is connected");
    guest.store.write(`${device.front}/state`, state);
    await settle();
    expect(frontend.release()).toBe(true);
    expect(lab.store.exists(device.front)).toBe(false);
  });

  it("is asked to close when it is detached, and waited for", async () => {
    const device = kinds[kind]();
    const frontend = device.make();
    frontend.setState(device.connectAt);
    await until(() => frontend.backState === "4", "it is connected");
    let removed = false;
    const removal = device.remove({}).then(() => {
      removed = true;
    });
    await settle();
    expect([frontend.backState, removed]).toEqual(["5", false]);
    frontend.setState(5);
    await settle();
    expect(removed).toBe(false);
    frontend.setState(6);
    await removal;
    expect(frontend.release()).toBe(true);
  });
});
