// Package xmldsig verifies the XML signatures of SAML documents, and reads
// the documents in the way that signatures need.
//
// Whoever verifies a signature over one reading of a document and then takes
// values from another reading can be deceived. Here both are the same tree
// ([Parse], tree.go), canonical form is printed from it (canonical.go), and
// [Verify] (verify.go) answers with the very element that was signed. A
// document that leaves room for two readings is refused: document types,
// processing instructions, undeclared prefixes, attributes or IDs that are
// there twice. Comments are no part of the tree, so that they cannot cut a
// text in two.
//
// Of XML Signature it has what SAML allows (Assertions and Protocols for
// SAML V2.0, 5.4): one enveloped signature with one reference to the element
// around it, exclusive canonicalization, RSA (PKCS #1 v1.5) and ECDSA with
// SHA-2. SHA-1 is refused, and so is whatever key a signature brings itself.
package xmldsig
