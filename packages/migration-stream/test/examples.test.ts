import { expect, it, vi } from "vitest";

it("examples/round-trip.ts reads what it wrote", async () => {
  let printed = "";
  const write = vi.spyOn(process.stdout, "write").mockImplementation((chunk) => {
    printed += typeof chunk === "string" ? chunk : new TextDecoder().decode(chunk);
    return true;
  });
  try {
    await import("../examples/round-trip.ts");
  } finally {
    write.mockRestore();
  }
  expect(printed).toBe("saved on Xen 4.17: pvInfo end\n");
});
