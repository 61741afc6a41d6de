import { expect, it, vi } from "vitest";

it("examples/segment.ts prints its segments", async () => {
  let printed = "";
  const write = vi.spyOn(process.stdout, "write").mockImplementation((chunk) => {
    printed += typeof chunk === "string" ? chunk : new TextDecoder().decode(chunk);
    return true;
  });
  try {
    await import("../examples/segment.ts");
  } finally {
    write.mockRestore();
  }
  expect(printed).toBe(
    "1460 bytes to port 443, checksum right\n1460 bytes to port 443, checksum right\n1080 bytes to port 443, checksum right\n",
  );
});
