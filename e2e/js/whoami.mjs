// An ordinary program: the default credential chain, STS and S3.
import { S3Client, ListObjectsV2Command, PutObjectCommand } from "@aws-sdk/client-s3";
import { STSClient, GetCallerIdentityCommand } from "@aws-sdk/client-sts";

const me = await new STSClient({}).send(new GetCallerIdentityCommand({}));
const out = { arn: me.Arn };
const s3 = new S3Client({});
for (const bucket of process.argv.slice(2)) {
  try {
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: "from js/é.txt", Body: "hello" }));
    const list = await s3.send(new ListObjectsV2Command({ Bucket: bucket }));
    out[bucket] = list.Contents.map((o) => o.Key);
  } catch (e) {
    out[bucket] = e.name;
  }
}
console.log(JSON.stringify(out));
