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
// The chain renews behind the caller's back while the old credentials last,
// so the fourth call is the one that must see new ones.
for (const seconds of [0, 0, 60, 60]) {
  shift = seconds * 1000;
  await new Promise((done) => setTimeout(done, seconds && 500));
  const c = await client.config.credentials();
  console.log(c.accessKeyId);
}
