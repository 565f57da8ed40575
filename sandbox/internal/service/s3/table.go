package s3

import (
	"github.com/mantle-iam/mantle/sandbox/internal/service"
)

// Operations is the table. Actions are not named after operations in S3:
// the table follows the Service Authorization Reference, "Actions, resources,
// and condition keys for Amazon S3", and the permissions named in the pages
// of the API reference.
func (s *S3) Operations() []service.Operation {
	return append([]service.Operation{
		row("ListBuckets", s.onAccount, s.listBuckets),
		rowOf("CreateBucket", s.checkCreateBucket, s.createBucket),
		row("HeadBucket", s.onBucket("s3:ListBucket"), s.headBucket),
		row("DeleteBucket", s.onBucket("s3:DeleteBucket"), s.deleteBucket),
		row("GetBucketLocation", s.onBucket("s3:GetBucketLocation"), s.getBucketLocation),

		row("ListObjects", s.onBucket("s3:ListBucket", listKeys...), s.listObjects),
		row("ListObjectsV2", s.onBucket("s3:ListBucket", listKeys...), s.listObjectsV2),
		row("ListObjectVersions", s.onBucket("s3:ListBucketVersions", listKeys...), s.listObjectVersions),

		stream("GetObject", s.onObject("s3:GetObject"), s.getObject),
		stream("HeadObject", s.onObject("s3:GetObject"), s.getObject),
		row("GetObjectAttributes", s.onObject("s3:GetObject", "s3:GetObjectAttributes"), s.getObjectAttributes),
		stream("PutObject", s.onWrite(true), s.putObject),
		row("CopyObject", s.onCopy(true), s.copyObject),
		row("DeleteObject", s.onDelete, s.deleteObject),
		row("DeleteObjects", s.checkDeleteObjects, s.deleteObjects),

		row("GetObjectTagging", s.onObject("s3:GetObjectTagging"), s.getObjectTagging),
		rowOf("PutObjectTagging", s.checkPutTagging, s.putObjectTagging),
		row("DeleteObjectTagging", s.onObject("s3:DeleteObjectTagging"), s.deleteObjectTagging),
		row("GetObjectAcl", s.onObject("s3:GetObjectAcl"), s.getObjectACL),
		row("PutObjectAcl", s.onObject("s3:PutObjectAcl"), s.putObjectACL),

		row("CreateMultipartUpload", s.onWrite(false), s.createMultipartUpload),
		stream("UploadPart", s.onWrite(false), s.uploadPart),
		row("UploadPartCopy", s.onCopy(false), s.uploadPartCopy),
		row("CompleteMultipartUpload", s.onWrite(true), s.completeMultipartUpload),
		row("AbortMultipartUpload", s.onUpload("s3:AbortMultipartUpload"), s.abortMultipartUpload),
		row("ListParts", s.onUpload("s3:ListMultipartUploadParts"), s.listParts),
		row("ListMultipartUploads", s.onBucket("s3:ListBucketMultipartUploads"), s.listMultipartUploads),

		row("GetBucketPolicy", s.onPolicy("s3:GetBucketPolicy"), s.getBucketPolicy),
		row("PutBucketPolicy", s.onPolicy("s3:PutBucketPolicy"), s.putBucketPolicy),
		row("DeleteBucketPolicy", s.onPolicy("s3:DeleteBucketPolicy"), s.deleteBucketPolicy),
		row("GetBucketPolicyStatus", s.onBucket("s3:GetBucketPolicyStatus"), s.getBucketPolicyStatus),

		row("GetBucketVersioning", s.onBucket("s3:GetBucketVersioning"), s.getBucketVersioning),
		row("PutBucketVersioning", s.onBucket("s3:PutBucketVersioning"), s.putBucketVersioning),
		row("GetBucketTagging", s.onBucket("s3:GetBucketTagging"), s.getBucketTagging),
		row("PutBucketTagging", s.onBucket("s3:PutBucketTagging"), s.putBucketTagging),
		row("DeleteBucketTagging", s.onBucket("s3:PutBucketTagging"), s.deleteBucketTagging),
		row("GetBucketAcl", s.onBucket("s3:GetBucketAcl"), s.getBucketACL),
		row("PutBucketAcl", s.onBucket("s3:PutBucketAcl", aclKeys...), s.putBucketACL),
	}, s.settings()...)
}
