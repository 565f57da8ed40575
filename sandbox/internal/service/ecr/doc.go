// Package ecr is the sandbox's Elastic Container Registry: repositories with
// their policies, and the images that manifests describe.
//
// A call goes through the files in this order: operations.go is the table,
// call.go opens the transaction, checks.go lists the permissions with the
// repository's policy as resource policy, and one file for each subject
// answers: repositories.go, policy.go, lifecycle.go, images.go (with
// manifest.go), tags.go and token.go.
//
// Docker's protocol comes in by registry.go, which finds the operation that a
// request stands for: the same permissions, and in push.go and layers.go the
// same rows, so that what is pushed is what DescribeImages shows.
//
// A manifest that is pushed needs its layers. One that PutImage brings does
// not: the operations of the API that upload layers are not there, and tests
// of pipelines often make do with manifests. To the API, a layer is there if
// a manifest mentions it.
//
// Rules and texts follow the Amazon ECR API Reference,
// https://docs.aws.amazon.com/AmazonECR/latest/APIReference/.
package ecr
