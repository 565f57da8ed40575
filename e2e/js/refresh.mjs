// Borrows through the default chain, moves the clock, and borrows again.
// Prints the access key ids, one a line.
import { fromNodeProviderChain } from "@aws-sdk/credential-providers";
import { STSClient } from "@aws-sdk/client-sts";

const Real = Date;
let shift = 0;
globalThis.Date = class extends Real {
  constructor(...a) {
    super(...(a.length ? a : [Real.now() + shift]));
  }
  static now() {
    return Real.now() + shift;
  }
};

const client = new STSClient({ credentials: fromNodeProviderChain() });
for (const seconds of [0, 0, 60]) {
  shift = seconds * 1000;
  const c = await client.config.credentials();
  console.log(c.accessKeyId);
}
