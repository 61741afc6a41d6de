import { expect, it, vi } from "vitest";

it("examples/ask.ts prints the answer", async () => {
  let printed = "";
  const write = vi.spyOn(process.stdout, "write").mockImplementation((chunk) => {
    printed += typeof chunk === "string" ? chunk : new TextDecoder().decode(chunk);
    return true;
  });
  try {
    await import("../examples/ask.ts");
  } finally {
    write.mockRestore();
  }
  expect(printed).toBe("Domain-0\n");
});
