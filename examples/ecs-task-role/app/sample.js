// Makes a bucket and puts a file into it. Nothing here knows where the
// credentials come from: the SDK's default chain asks the container endpoint.
import { randomUUID } from "node:crypto";
import { CreateBucketCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";

const s3 = new S3Client({});
const bucket = `node-sdk-sample-${randomUUID()}`;
const key = "hello_world.txt";

await s3.send(new CreateBucketCommand({ Bucket: bucket }));
await s3.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: "Hello World!" }));
console.log(`Successfully uploaded data to ${bucket}/${key}`);
