#!/usr/bin/env node
import { ControlError } from "@xen-node/control";
import { ConfigError } from "@xen-node/toolstack";
import packageJson from "../package.json" with { type: "json" };
import { setEngineFlags } from "./engine-flags.ts";
import { program } from "./program.ts";
import { ExitStatus, UserError } from "./user-error.ts";

setEngineFlags();
try {
  await program(packageJson.version, (status) => {
    process.exitCode = status;
  }).parseAsync();
} catch (error) {
  const known = [UserError, ConfigError, ControlError].some((type) => error instanceof type);
  if (known) process.stderr.write(`xen-node: ${(error as Error).message}\n`);
  else console.error("xen-node: this is a fault of xen-node itself:", error);
  process.exitCode = ExitStatus.hostError;
}
// An idle stdin or a listening debugger must not keep the process when the guests are gone.
process.exit();
