// Verifies the tokens of a task with jose. Writes one line for each: `accepted`, or why not.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const require = createRequire(`${process.env.DIFFERENTIAL_MODULES}/x.js`);
const { createLocalJWKSet, jwtVerify } = await import(pathToFileURL(require.resolve("jose")));

const task = JSON.parse(readFileSync(0, "utf8"));
const keys = createLocalJWKSet(task.keys);
const options = {
  algorithms: ["RS256"],
  issuer: task.issuers,
  audience: task.audiences,
  clockTolerance: task.leeway,
  requiredClaims: ["exp"],
};

for (const encoded of task.tokens) {
  const token = Buffer.from(encoded, "base64").toString();
  try {
    await jwtVerify(token, keys, options);
    console.log("accepted");
  } catch (error) {
    console.log(`${error.code ?? error.name}: ${error.message}`.split("\n")[0]);
  }
}
