import { SHUTDOWN_poweroff, SHUTDOWN_suspend } from "@xen-node/xen-abi";
import { XenStore } from "@xen-node/xenstore";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { SuspendRequest } from "../src/save/suspend-request.ts";

const NODE = "/local/domain/5/control/shutdown";

describe("a request to suspend", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  const ask = () => {
    const store = new XenStore().client();
    const request = new SuspendRequest(store, 5, "web");
    const outcome = request.done.then(
      () => "suspended",
      (error: Error) => error.message,
    );
    return { store, request, outcome };
  };

  it("is written, and done when the domain has shut down for it", async () => {
    const { store, request, outcome } = ask();
    expect(store.read(NODE)).toBe("suspend");
    store.write(NODE, "");
    await vi.advanceTimersByTimeAsync(59_000);
    request.domainEnded(SHUTDOWN_suspend);
    expect(await outcome).toBe("suspended");
  });

  it("fails if the domain ends otherwise", async () => {
    const { request, outcome } = ask();
    request.domainEnded(SHUTDOWN_poweroff);
    expect(await outcome).toBe("web ended before it was suspended.");
  });

  it("is taken back if it is not answered in a minute", async () => {
    const { store, outcome } = ask();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(await outcome).toMatch(/^web did not answer the request/);
    expect(store.read(NODE)).toBe("");
  });

  it("fails if it is answered and nothing comes of it for another minute", async () => {
    const { store, outcome } = ask();
    await vi.advanceTimersByTimeAsync(50_000);
    store.write(NODE, "");
    await vi.advanceTimersByTimeAsync(59_000);
    expect(await Promise.race([outcome, "still waiting"])).toBe("still waiting");
    await vi.advanceTimersByTimeAsync(1_000);
    expect(await outcome).toBe("web took the request to suspend itself, but did not do it.");
  });
});
