// Package wire speaks the protocols of AWS's APIs from the server's side:
// query, EC2 query, JSON 1.0 and 1.1, REST-JSON and REST-XML.
//
// It follows AWS's own service models, which are embedded, and reads and
// writes the input and output structs of aws-sdk-go-v2 (or structs of the
// same form), so that a handler is a function from one to the other. The
// files, in the order in which a call meets them:
//
//	route.go     which service a request is for
//	model.go     the models: operations and shapes
//	call.go      Decode: reading a request, finding its operation
//	rest.go s3.go  finding the operation of a REST request, by its path
//	plan.go scalar.go  how shapes and Go types meet
//	input.go query.go json.go xml.go bind.go  Call.Input, by protocol
//	validate.go pattern.go  the constraints of the model
//	reply.go xmlout.go jsonout.go  Call.Reply
//	error.go fail.go  errors, and Call.Fail
//
// Whatever a client sends, the answer is one of the protocol's own errors;
// limits on size and nesting hold before anything is built from the input.
package wire
