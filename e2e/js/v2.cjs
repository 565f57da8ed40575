// An ordinary program with the AWS SDK for JavaScript v2, which knows no
// AWS_ENDPOINT_URL: it has to be told of an endpoint in its own words.
process.env.AWS_SDK_JS_SUPPRESS_MAINTENANCE_MODE_MESSAGE = "1";
const AWS = require("aws-sdk");

const at = { endpoint: process.env.AWS_ENDPOINT_URL, s3ForcePathStyle: true };

async function main() {
  const me = await new AWS.STS(at).getCallerIdentity().promise();
  const out = { arn: me.Arn };
  const s3 = new AWS.S3(at);
  for (const bucket of process.argv.slice(2)) {
    try {
      await s3.createBucket({ Bucket: bucket }).promise();
      await s3.putObject({ Bucket: bucket, Key: "hello_world.txt", Body: "Hello World!" }).promise();
      out[bucket] = (await s3.getObject({ Bucket: bucket, Key: "hello_world.txt" }).promise()).Body.toString();
    } catch (e) {
      out[bucket] = e.code;
    }
  }
  console.log(JSON.stringify(out));
}

main().catch((e) => {
  console.error("error:", e.code, e.message);
  process.exit(1);
});
