// Package ecr is the sandbox's Elastic Container Registry: repositories with
// their policies, and the images that manifests describe.
//
// A call goes through the files in this order: operations.go is the table,
// call.go opens the transaction, checks.go lists the permissions with the
// repository's policy as resource policy, and one file for each subject
// answers: repositories.go, policy.go, lifecycle.go, images.go (with
// manifest.go), tags.go and token.go.
//
// Layers are not kept and the protocol that docker speaks is not spoken: an
// image is its manifest, and a layer is there if a manifest mentions it.
//
// Rules and texts follow the Amazon ECR API Reference,
// https://docs.aws.amazon.com/AmazonECR/latest/APIReference/.
package ecr
