import { bootstrap, build } from "./bootstrap.mjs";

bootstrap();
build({ verbose: true });
