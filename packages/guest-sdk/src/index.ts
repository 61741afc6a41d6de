export { abiHeader, generatedHeaders } from "./headers/header.ts";
