import {
  XenbusStateClosed as Closed,
  XenbusStateClosing as Closing,
  XenbusStateConnected as Connected,
  XenbusStateInitialised as Initialised,
  XenbusStateInitialising as Initialising,
  XenbusStateInitWait as InitWait,
  XenbusStateReconfigured as Reconfigured,
  XenbusStateReconfiguring as Reconfiguring,
} from "@xen-node/xen-abi";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BackendDevice, type BackendDriver, MemoryStore, XenbusError } from "../src/index.ts";

const BACKEND = "/local/domain/0/backend/vif/3/0";
const FRONTEND = "/local/domain/3/device/vif/0";

/** A driver that notes what it is told, and lets go at once or when `release` is called. */
class Recorder implements BackendDriver {
  readonly calls: string[] = [];
  attached = false;
  slow = false;
  refuse: string | undefined;
  private pending: (() => void) | undefined;

  advertise(tree: { write(path: string, value: string): void }, path: string): void {
    this.calls.push("advertise");
    tree.write(`${path}/feature-x`, "1");
  }

  connect(path: string): void {
    this.calls.push("connect");
    expect(path).toBe(FRONTEND);
    expect(this.attached).toBe(false);
    this.attached = true;
    if (this.refuse !== undefined) throw new XenbusError(this.refuse);
  }

  describe(tree: { write(path: string, value: string): void }, path: string): void {
    this.calls.push("describe");
    tree.write(`${path}/size`, "8");
  }

  disconnect(done: () => void): void {
    this.calls.push("disconnect");
    expect(this.pending).toBe(undefined);
    const letGo = () => {
      this.attached = false;
      done();
    };
    if (this.slow) this.pending = letGo;
    else letGo();
  }

  release(): void {
    const { pending } = this;
    this.pending = undefined;
    pending?.();
  }

  get releasing(): boolean {
    return this.pending !== undefined;
  }
}

function setUp(connectAt: typeof Initialised | typeof Connected = Connected) {
  const tasks: (() => void)[] = [];
  const store = new MemoryStore((task) => tasks.push(task));
  store.writeAll(FRONTEND, { backend: BACKEND, "backend-id": "0", state: String(Initialising) });
  store.writeAll(BACKEND, { frontend: FRONTEND, "frontend-id": "3", online: "1", state: String(Initialising) });
  const driver = new Recorder();
  const ends: string[] = [];
  const errors: string[] = [];
  const device = new BackendDevice({
    store,
    path: BACKEND,
    driver,
    connectAt,
    onClosed: () => ends.push("closed"),
    onError: (message) => errors.push(message),
  });
  const settle = () => {
    for (let task = tasks.shift(); task !== undefined; task = tasks.shift()) task();
  };
  const state = () => {
    settle();
    return Number(store.read(`${BACKEND}/state`));
  };
  const frontend = (value: number) => {
    store.write(`${FRONTEND}/state`, String(value));
    return state();
  };
  settle();
  return { store, driver, device, ends, errors, settle, state, frontend, tasks };
}

describe("the ordinary way", () => {
  it("offers, connects, and closes when the frontend closes", () => {
    const { store, driver, device, state, frontend, ends } = setUp();
    expect(state()).toBe(InitWait);
    expect(store.read(`${BACKEND}/feature-x`)).toBe("1");
    expect([device.connected, device.frontendId, device.frontendPath]).toEqual([false, 3, FRONTEND]);
    expect(frontend(Initialised)).toBe(InitWait);
    expect(frontend(Connected)).toBe(Connected);
    expect(store.read(`${BACKEND}/size`)).toBe("8");
    expect(device.connected).toBe(true);
    expect(frontend(Closing)).toBe(Closing);
    expect(driver.attached).toBe(true);
    expect(frontend(Closed)).toBe(Closed);
    expect(driver.attached).toBe(false);
    expect(ends).toEqual([]);
    expect(driver.calls).toEqual(["advertise", "connect", "describe", "disconnect"]);
  });

  it("connects a block device's frontend at Initialised, and not again at Connected", () => {
    const { driver, frontend } = setUp(Initialised);
    expect(frontend(Initialised)).toBe(Connected);
    expect(frontend(Connected)).toBe(Connected);
    expect(driver.calls).toEqual(["advertise", "connect", "describe"]);
  });

  it("connects a block device's frontend that went to Connected in one go", () => {
    const { frontend } = setUp(Initialised);
    expect(frontend(Connected)).toBe(Connected);
  });

  it("lets a frontend come back as often as it likes", () => {
    const { driver, device, frontend } = setUp();
    for (let round = 0; round < 3; round++) {
      expect(frontend(Connected)).toBe(Connected);
      expect(frontend(Closing)).toBe(Closing);
      expect(frontend(Closed)).toBe(Closed);
      expect(frontend(Initialising)).toBe(InitWait);
    }
    expect(device.closed).toBe(false);
    expect(driver.calls.filter((call) => call === "advertise").length).toBe(4);
  });

  it("rewrites what it describes, only while connected", () => {
    const { store, driver, device, frontend } = setUp();
    device.redescribe();
    expect(driver.calls).toEqual(["advertise"]);
    frontend(Connected);
    store.write(`${BACKEND}/size`, "old");
    device.redescribe();
    expect(store.read(`${BACKEND}/size`)).toBe("8");
  });

  it("refuses a device whose nodes are missing", () => {
    const store = new MemoryStore(() => {});
    const options = { store, path: BACKEND, driver: new Recorder(), connectAt: Connected } as const;
    expect(() => new BackendDevice(options)).toThrow(XenbusError);
    store.writeAll(BACKEND, { frontend: FRONTEND, "frontend-id": "40000" });
    expect(() => new BackendDevice(options)).toThrow(XenbusError);
    expect(store.watchCount).toBe(0);
  });
});

/** Ways of a frontend to each state of the handshake, and the backend's state there. */
const places: [name: string, steps: readonly number[], backend: number][] = [
  ["InitWait", [], InitWait],
  ["InitWait, frontend Initialised", [Initialised], InitWait],
  ["Connected", [Connected], Connected],
  ["Closing", [Connected, Closing], Closing],
  ["Closing, never connected", [Closing], Closing],
  ["Closed", [Connected, Closing, Closed], Closed],
  ["back at InitWait", [Connected, Closed, Initialising], InitWait],
];

describe.each(places)("a frontend at %s", (_name, steps, expected) => {
  const arrive = () => {
    const setup = setUp();
    for (const step of steps) setup.frontend(step);
    expect(setup.state()).toBe(expected);
    return setup;
  };

  it("is let go when it closes, and may come back", () => {
    const { driver, frontend } = arrive();
    expect(frontend(Closed)).toBe(Closed);
    expect(driver.attached).toBe(false);
    expect(frontend(Initialising)).toBe(InitWait);
    expect(frontend(Connected)).toBe(Connected);
  });

  it("is let go when it begins anew without closing", () => {
    const { driver, frontend } = arrive();
    expect(frontend(Initialising)).toBe(InitWait);
    expect(driver.attached).toBe(false);
    expect(frontend(Connected)).toBe(Connected);
    expect(driver.attached).toBe(true);
  });

  it("ends the device when it vanishes", () => {
    const { store, driver, device, ends, state } = arrive();
    store.rm(FRONTEND);
    expect(state()).toBe(Closed);
    expect([driver.attached, device.closed, ends]).toEqual([false, true, ["closed"]]);
    expect(store.watchCount).toBe(0);
  });

  it("changes nothing by writing its state again", () => {
    const { store, driver, frontend, state } = arrive();
    const calls = driver.calls.length;
    const now = Number(store.read(`${FRONTEND}/state`));
    for (let i = 0; i < 3; i++) frontend(now);
    expect(state()).toBe(expected);
    expect(driver.calls.length).toBe(calls);
  });

  it("changes nothing by states that are no part of the handshake", () => {
    const { frontend } = arrive();
    for (const value of [InitWait, Reconfiguring, Reconfigured]) expect(frontend(value)).toBe(expected);
  });

  it("is asked to close, and the device ends when it has", () => {
    const { store, driver, device, ends, state, frontend } = arrive();
    device.close();
    state();
    if (!device.closed) {
      expect(state()).toBe(Closing);
      expect(store.read(`${BACKEND}/online`)).toBe("0");
      frontend(Closing);
      expect(ends).toEqual([]);
      frontend(Closed);
    }
    expect([state(), driver.attached, ends, store.watchCount]).toEqual([Closed, false, ["closed"], 0]);
    device.close({ force: true });
    expect(ends).toEqual(["closed"]);
  });

  it("is not waited for by force", () => {
    const { store, driver, device, ends, state } = arrive();
    device.close({ force: true });
    expect([state(), driver.attached, ends, store.watchCount]).toEqual([Closed, false, ["closed"], 0]);
  });

  it("has the device end while the driver is slow to let go, whatever it does meanwhile", () => {
    for (const meanwhile of [Initialising, Initialised, Connected, Closing, Closed, undefined]) {
      const { store, driver, device, ends, state, frontend } = arrive();
      driver.slow = true;
      device.close({ force: true });
      if (meanwhile === undefined) store.rm(FRONTEND);
      else frontend(meanwhile);
      expect(ends).toEqual([]);
      driver.release();
      expect([state(), device.closed, ends]).toEqual([Closed, true, ["closed"]]);
    }
  });

  it("doesn't bring back nodes that the toolstack removed", () => {
    for (const next of [Initialising, Connected, Closing, Closed]) {
      const { store, device, frontend } = arrive();
      store.rm(BACKEND);
      frontend(next);
      device.redescribe();
      device.close({ force: true });
      expect(store.exists(BACKEND)).toBe(false);
      expect(device.closed).toBe(true);
    }
  });
});

describe("a driver that is slow to let go", () => {
  it("keeps the state from being Closed, and the frontend's return is seen afterwards", () => {
    const { driver, state, frontend } = setUp();
    frontend(Connected);
    driver.slow = true;
    expect(frontend(Closed)).toBe(Closing);
    expect(frontend(Initialising)).toBe(Closing);
    driver.slow = false;
    driver.release();
    expect(state()).toBe(InitWait);
    expect(frontend(Connected)).toBe(Connected);
  });

  it("ends the device when the frontend vanishes meanwhile", () => {
    const { store, driver, ends, frontend, settle } = setUp();
    frontend(Connected);
    driver.slow = true;
    frontend(Closed);
    store.rm(FRONTEND);
    settle();
    expect(ends).toEqual([]);
    driver.slow = false;
    driver.release();
    expect(ends).toEqual(["closed"]);
  });

  it("ends a device that was to close, once the frontend has closed", () => {
    const { driver, device, ends, state, frontend } = setUp();
    frontend(Connected);
    driver.slow = true;
    device.fail("nonsense");
    device.close();
    frontend(Closed);
    expect(ends).toEqual([]);
    driver.release();
    driver.release();
    expect([state(), ends]).toEqual([Closed, ["closed"]]);
  });
});

describe("a frontend at fault", () => {
  it("is told, let go, and may come back", () => {
    const { store, driver, device, errors, state, frontend } = setUp();
    frontend(Connected);
    device.fail("impossible index");
    expect([state(), driver.attached, errors]).toEqual([Closing, false, ["impossible index"]]);
    expect(store.read("/local/domain/0/error/backend/vif/3/0/error")).toBe("impossible index");
    device.fail("once more");
    expect(frontend(Closed)).toBe(Closed);
    expect(frontend(Initialising)).toBe(InitWait);
    expect(frontend(Connected)).toBe(Connected);
  });

  it("is let go while it closes", () => {
    const { driver, device, state, frontend } = setUp();
    frontend(Connected);
    frontend(Closing);
    device.fail("impossible index");
    expect([state(), driver.attached]).toEqual([Closing, false]);
  });

  it("whose nodes make no sense is refused", () => {
    const { driver, errors, state, frontend } = setUp();
    driver.refuse = "no ring";
    expect(frontend(Connected)).toBe(Closing);
    expect([driver.attached, errors]).toEqual([false, ["no ring"]]);
    expect(driver.calls).toEqual(["advertise", "connect", "disconnect"]);
    driver.refuse = undefined;
    frontend(Closed);
    frontend(Initialising);
    frontend(Connected);
    expect(state()).toBe(Connected);
  });

  it("changes nothing when there is no connection", () => {
    const { device, errors, state } = setUp();
    device.fail("early");
    expect([state(), errors]).toEqual([InitWait, []]);
  });

  it("whose nodes are closed to a driver domain counts as gone", () => {
    const { store, ends, settle, frontend } = setUp();
    frontend(Connected);
    const { read } = store;
    // Nodes that were removed with their parents belong to somebody else.
    store.read = (path) => {
      if (path.startsWith(FRONTEND)) throw Object.assign(new Error("EACCES"), { code: "EACCES" });
      return read.call(store, path);
    };
    store.rm(FRONTEND);
    settle();
    expect(ends).toEqual(["closed"]);
  });

  it("that writes nonsense for a state counts as gone", () => {
    for (const nonsense of ["", "x", "-1", "99", "4 ", "4294967300"]) {
      const { store, ends, settle, frontend } = setUp();
      frontend(Connected);
      store.write(`${FRONTEND}/state`, nonsense);
      settle();
      expect(ends).toEqual(["closed"]);
    }
  });
});

it("follows any frontend, toolstack and driver in any order without losing a connection or ending twice", () => {
  const action = fc.oneof(
    { weight: 8, arbitrary: fc.integer({ min: 0, max: 9 }).map((state) => ({ kind: "frontend" as const, state })) },
    { weight: 3, arbitrary: fc.constant({ kind: "settle" as const }) },
    { weight: 2, arbitrary: fc.boolean().map((slow) => ({ kind: "slow" as const, slow })) },
    { weight: 3, arbitrary: fc.constant({ kind: "release" as const }) },
    { weight: 2, arbitrary: fc.constant({ kind: "fail" as const }) },
    { weight: 1, arbitrary: fc.boolean().map((force) => ({ kind: "close" as const, force })) },
    { weight: 1, arbitrary: fc.constant({ kind: "vanish" as const }) },
  );
  fc.assert(
    fc.property(fc.array(action, { maxLength: 40 }), (actions) => {
      const { store, driver, device, ends, settle, frontend, state } = setUp();
      for (const step of actions) {
        if (step.kind === "frontend") store.write(`${FRONTEND}/state`, String(step.state));
        else if (step.kind === "settle") settle();
        else if (step.kind === "slow") driver.slow = step.slow;
        else if (step.kind === "release") driver.release();
        else if (step.kind === "fail") device.fail("fault");
        else if (step.kind === "close") device.close({ force: step.force });
        else store.rm(FRONTEND);
        if (device.connected) expect(driver.attached).toBe(true);
        if (Number(store.read(`${BACKEND}/state`)) === Closed) expect(driver.attached).toBe(false);
      }
      settle();
      driver.slow = false;
      while (driver.releasing) driver.release();
      if (device.closed) {
        expect([ends, store.watchCount, driver.attached]).toEqual([["closed"], 0, false]);
        return;
      }
      // Honest again: an open device still serves, one that closes ends.
      frontend(Closing);
      frontend(Closed);
      if (store.read(`${BACKEND}/online`) === "0") expect(ends).toEqual(["closed"]);
      else {
        expect(state()).toBe(Closed);
        expect(frontend(Initialising)).toBe(InitWait);
        expect(frontend(Connected)).toBe(Connected);
        expect(driver.attached).toBe(true);
      }
    }),
    { numRuns: 2000 },
  );
});
