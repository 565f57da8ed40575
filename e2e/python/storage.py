"""boto3 against the sandbox: roles, sessions, objects. Prints one JSON object."""
import io, json, os, sys, urllib.request

import boto3
from botocore.exceptions import ClientError

out = {}
region = "eu-west-1"
iam, sts, s3 = (boto3.client(n, region_name=region) for n in ("iam", "sts", "s3"))
trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:root"}, "Action": ["sts:AssumeRole", "sts:TagSession"], "Condition": {"StringEquals": {"sts:ExternalId": "k-77/a"}}}]}
iam.create_role(RoleName="py", AssumeRolePolicyDocument=json.dumps(trust), Tags=[{"Key": "team", "Value": "a"}])
out["trust"] = iam.get_role(RoleName="py")["Role"]["AssumeRolePolicyDocument"] == trust
iam.put_role_policy(RoleName="py", PolicyName="own", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::py-bucket", "Condition": {"StringLike": {"s3:prefix": "${aws:PrincipalTag/team}/*"}}},
    {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": "arn:aws:s3:::py-bucket/${aws:PrincipalTag/team}/*"}]}))
s3.create_bucket(Bucket="py-bucket", CreateBucketConfiguration={"LocationConstraint": region})


def code(f, *a, **k):
    try:
        f(*a, **k)
        return "ok"
    except ClientError as e:
        return e.response["Error"]["Code"]


arn = "arn:aws:iam::111122223333:role/py"
out["without external id"] = code(sts.assume_role, RoleArn=arn, RoleSessionName="x1")
out["wrong external id"] = code(sts.assume_role, RoleArn=arn, RoleSessionName="x1", ExternalId="k-78")
r = sts.assume_role(RoleArn=arn, RoleSessionName="x1", ExternalId="k-77/a")
c = r["Credentials"]
ses = boto3.Session(c["AccessKeyId"], c["SecretAccessKey"], c["SessionToken"], region_name=region)
mine = ses.client("s3")
out["identity"] = ses.client("sts").get_caller_identity()["Arn"]
out["put own prefix"] = code(mine.put_object, Bucket="py-bucket", Key="a/1", Body=b"one")
out["put other prefix"] = code(mine.put_object, Bucket="py-bucket", Key="b/1", Body=b"one")
out["list own prefix"] = [o["Key"] for o in mine.list_objects_v2(Bucket="py-bucket", Prefix="a/")["Contents"]]
out["list all"] = code(mine.list_objects_v2, Bucket="py-bucket")
out["missing key without ListBucket"] = code(mine.get_object, Bucket="py-bucket", Key="a/2")
out["missing key with ListBucket"] = code(s3.get_object, Bucket="py-bucket", Key="a/2")
out["tag over the role's"] = None
t = sts.assume_role(RoleArn=arn, RoleSessionName="x2", ExternalId="k-77/a", Tags=[{"Key": "Team", "Value": "b"}])["Credentials"]
tagged = boto3.client("s3", region_name=region, aws_access_key_id=t["AccessKeyId"], aws_secret_access_key=t["SecretAccessKey"], aws_session_token=t["SessionToken"])
out["tag over the role's"] = code(tagged.put_object, Bucket="py-bucket", Key="b/1", Body=b"one")
pol = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]})
n = sts.assume_role(RoleArn=arn, RoleSessionName="x3", ExternalId="k-77/a", Policy=pol)["Credentials"]
narrow = boto3.client("s3", region_name=region, aws_access_key_id=n["AccessKeyId"], aws_secret_access_key=n["SecretAccessKey"], aws_session_token=n["SessionToken"])
out["session policy get"] = code(narrow.get_object, Bucket="py-bucket", Key="a/1")
out["session policy put"] = code(narrow.put_object, Bucket="py-bucket", Key="a/1", Body=b"two")

big = os.urandom(20 << 20)
s3.upload_fileobj(io.BytesIO(big), "py-bucket", "big")
back = io.BytesIO()
s3.download_fileobj("py-bucket", "big", back)
out["multipart"] = back.getvalue() == big
out["range"] = s3.get_object(Bucket="py-bucket", Key="big", Range="bytes=5-9")["Body"].read() == big[5:10]
url = s3.generate_presigned_url("get_object", Params={"Bucket": "py-bucket", "Key": "a/1"})
out["presigned by the default version"] = "AWSAccessKeyId" in url
out["presigned"] = urllib.request.urlopen(url).read().decode()
out["if-none-match"] = code(s3.put_object, Bucket="py-bucket", Key="a/1", Body=b"x", IfNoneMatch="*")
out["delete bucket in use"] = code(s3.delete_bucket, Bucket="py-bucket")
s3.put_bucket_versioning(Bucket="py-bucket", VersioningConfiguration={"Status": "Enabled"})
v = [s3.put_object(Bucket="py-bucket", Key="v", Body=b)["VersionId"] for b in (b"1", b"2")]
s3.delete_object(Bucket="py-bucket", Key="v")
out["versions"] = [s3.get_object(Bucket="py-bucket", Key="v", VersionId=x)["Body"].read().decode() for x in v]
out["deleted"] = code(s3.get_object, Bucket="py-bucket", Key="v")
pages = list(iam.get_paginator("list_roles").paginate(PaginationConfig={"PageSize": 1}))
out["pages of roles"] = sum(len(p["Roles"]) for p in pages) == len(pages) >= 1
out["details"] = [r["RoleName"] for r in iam.get_account_authorization_details(Filter=["Role"])["RoleDetailList"]]
out["key info"] = sts.get_access_key_info(AccessKeyId=c["AccessKeyId"])["Account"]
out["session token"] = code(sts.get_session_token)
json.dump(out, sys.stdout, indent=1)
