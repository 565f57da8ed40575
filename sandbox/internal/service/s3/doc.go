// Package s3 is the sandbox's Simple Storage Service.
//
// The files follow a call. resolve.go finds the operation, table.go is the
// table of operations, checks.go and context.go say which permissions it
// needs and which condition keys it carries. Then one of the handlers
// answers: bucket.go for buckets; settings.go, config.go, lifecycle.go,
// acl.go, tagging.go and policy.go (public.go tells which policies are
// public) for what can be set on them; put.go, get.go, copy.go, delete.go,
// list.go and multipart.go for objects. Below them rows.go and versions.go
// keep what the store holds, content.go the bytes; checksum.go verifies
// those, names.go the names, and errors.go has S3's words for what goes
// wrong.
//
// # What is kept where
//
// A row of the store says what an object is; its bytes lie in blobs under
// generated names, so that a key is only ever data and never a path. Blobs
// are written first and the row is committed after: whoever sees an object
// sees all of it, and a crash leaves at worst blobs that no row names, which
// [S3.Sweep] removes. Conditional writes are decided in the transaction that
// writes the row, so of many writers with If-None-Match exactly one wins.
//
// # What is as in AWS on purpose
//
// A new bucket blocks public access and has ACLs switched off, as every
// bucket made since April 2023; objects are reported as encrypted with
// AES256; a key that is missing is told only to those who may list the
// bucket.
package s3
