// `npm run oracle [-- GUEST...]`: the conformance guests on the real Xen 4.17 in QEMU and on ours, compared. See tools/oracle.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { bootstrap, root } from "./bootstrap.mjs";
import { runBundled } from "./bundle.mjs";

bootstrap();
// The bundle does not lie where the SDK finds its headers.
process.env.XEN_GUEST_SDK = join(root, "packages", "guest-sdk");
mkdirSync(join(root, "node_modules", ".cache"), { recursive: true });
process.exitCode = runBundled(join(root, "tools", "oracle", "src", "main.ts"), process.argv.slice(2));
