import { expect, it, vi } from "vitest";

it("examples/dhcp-client.ts is offered an address", async () => {
  const log = vi.spyOn(console, "log").mockImplementation(() => {});
  try {
    await import("../examples/dhcp-client.ts");
    expect(log.mock.calls).toEqual([["10.0.2.2 offers 10.0.2.15"]]);
  } finally {
    log.mockRestore();
  }
});
