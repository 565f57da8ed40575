// Package proxy leads clients to a sandbox that no endpoint setting reaches:
// hard-coded hosts, S3 buckets in host names, tools that assume a role
// through an STS address of their own.
//
// It is an HTTP proxy. A client that has HTTPS_PROXY set asks it by CONNECT
// for s3.eu-west-1.amazonaws.com:443; the proxy answers the TLS handshake
// itself, with a certificate of its own [Authority], and hands each request
// to a handler in the same process as if AWS's own host had received it: the
// Host header, the path and the body are the client's, and the request's TLS
// field is set.
//
//	hosts.go      which host names are AWS's, and why another is refused
//	serve.go      the proxy: CONNECT, and plain HTTP
//	tunnel.go     what happens inside a CONNECT
//	authority.go  certificates
//
// # What is never done
//
// The package opens no connection. Whatever is asked for is answered by the
// handler or refused, so that nothing reaches AWS, or anything else, through
// it, and there is no second reader of a request that could understand it
// differently.
package proxy
