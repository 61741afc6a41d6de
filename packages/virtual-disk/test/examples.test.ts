import { expect, it, vi } from "vitest";

it("examples/copy-on-write.ts prints both disks", async () => {
  let printed = "";
  const write = vi.spyOn(process.stdout, "write").mockImplementation((chunk) => {
    printed += typeof chunk === "string" ? chunk : new TextDecoder().decode(chunk);
    return true;
  });
  try {
    await import("../examples/copy-on-write.ts");
  } finally {
    write.mockRestore();
  }
  expect(printed).toBe("as delivered\nnow changed!\n");
});
