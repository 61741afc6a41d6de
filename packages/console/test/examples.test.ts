import { expect, it, vi } from "vitest";

it("examples/echo.ts prints both directions", async () => {
  let printed = "";
  const write = vi.spyOn(process.stdout, "write").mockImplementation((chunk) => {
    printed += typeof chunk === "string" ? chunk : new TextDecoder().decode(chunk);
    return true;
  });
  try {
    await import("../examples/echo.ts");
  } finally {
    write.mockRestore();
  }
  expect(printed).toBe("login: root\n");
});
