#!/usr/bin/env node
process.argv.splice(2, 0, "read");
await import("../dist/xenstore.js");
