import { expect, it, vi } from "vitest";

it("examples/two-guests.ts prints one part and three parts of a second", async () => {
  let printed = "";
  const write = vi.spyOn(process.stdout, "write").mockImplementation((chunk) => {
    printed += String(chunk);
    return true;
  });
  try {
    await import("../examples/two-guests.ts");
  } finally {
    write.mockRestore();
  }
  const [web, batch] = [...printed.matchAll(/\d+/g)].map(Number);
  expect(Math.abs(web - 250)).toBeLessThan(15);
  expect(Math.abs(batch - 750)).toBeLessThan(15);
});
