#!/usr/bin/env node
import packageJson from "../package.json" with { type: "json" };
import { program } from "./program.ts";
import { UserError } from "./user-error.ts";

try {
  await program(packageJson.version, (status) => {
    process.exitCode = status;
  }).parseAsync();
} catch (error) {
  if (error instanceof UserError) process.stderr.write(`xen-guest: ${error.message}\n`);
  else console.error("xen-guest: this is a fault of xen-guest itself:", error);
  process.exitCode = 1;
}
